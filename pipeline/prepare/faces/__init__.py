"""Detect faces in photographs and crop them."""
