"""The web app in which people browse and judge removed pictures."""
