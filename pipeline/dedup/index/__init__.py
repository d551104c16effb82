"""Find candidate pairs: exact matches, views of each picture, and a Hamming index of their codes."""
