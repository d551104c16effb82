"""The web app on this machine in which people judge removals; see `app` for its routes."""
