"""Several steps in one go: dcgan dedup."""
