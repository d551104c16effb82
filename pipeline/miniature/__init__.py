"""Draw the built-in data sets in the archive layouts of the real ones."""
