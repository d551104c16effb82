"""The image set on disk, and the list of its kept rows."""
