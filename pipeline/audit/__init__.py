"""Show what was removed, and estimate how many removals are wrong."""
