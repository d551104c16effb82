"""Turn the pictures of a source into an image set, chunk by chunk."""
