"""Measure which picture of a group of duplicates is most likely the source of the others."""
