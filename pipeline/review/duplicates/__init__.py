"""The web app in which people judge removed pictures."""
