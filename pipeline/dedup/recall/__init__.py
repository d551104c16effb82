"""Measure the recall of duplicate detection on planted copies: copies made on purpose."""
