"""The image set on disk, and the list of its rows that are kept."""
