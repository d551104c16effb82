"""Find the folders and files of a dedup result."""
