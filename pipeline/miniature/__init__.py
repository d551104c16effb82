"""Draw the embedded default data sets in the archive layouts of the real ones."""
