"""Labelled benchmarks: small square pictures that are published as pixels, in a training and a test split."""
