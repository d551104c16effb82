"""Measure the recall of duplicate detection on planted copies."""
