"""Common code of the local web apps: server, access checks, helpers for pages."""
