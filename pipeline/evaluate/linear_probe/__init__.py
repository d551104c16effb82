"""Linear classifiers on the features of a discriminator (the paper, section 5)."""
