"""Download the pictures of a list of URLs, within the limits of robots.txt and of each host."""
