"""The web app in which people judge generated samples."""
