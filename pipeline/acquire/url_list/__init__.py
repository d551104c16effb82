"""Fetch the pictures of a list of URLs politely."""
