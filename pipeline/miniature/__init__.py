"""Render the miniature: small synthetic data sets, the default, in the archive layouts of the real ones."""
