"""Labelled benchmarks: small square pictures, published as pixels and split for training and testing."""
