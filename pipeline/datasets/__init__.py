"""One module for each data set: archives, sizes, checksums, counts, labels."""
