"""The web app in which people draw boxes on generated samples and choose exemplars."""
