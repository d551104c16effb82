"""Download a file over HTTP: client, retries, ranges, partial files, checksums."""
