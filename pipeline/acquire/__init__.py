"""Fetch, verify and unpack what a data set names."""
