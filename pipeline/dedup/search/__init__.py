"""Search for pairs of copies in one image set, or between two image sets."""
