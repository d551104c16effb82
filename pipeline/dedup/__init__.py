"""Near-duplicate removal with the paper's semantic hash."""
