"""Search a set, or two sets, for pairs of copies."""
