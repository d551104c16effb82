"""The base of the local web apps: server, token check, pages."""
