"""The base of the local web apps: server, access checks, pages."""
