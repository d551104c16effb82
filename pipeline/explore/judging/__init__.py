"""The web app on this machine in which people judge generated samples; see `app` for its routes."""
