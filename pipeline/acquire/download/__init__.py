"""Download a file over HTTP: requests, retries, ranges, partial files."""
