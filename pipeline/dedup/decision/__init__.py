"""Decide which picture of each group of duplicates is kept, and write the result."""
