"""Measure recall on planted copies."""
