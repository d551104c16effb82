"""The paper's section 5: what the discriminator learned, as features for a linear classifier."""
