"""HTML pages that compare the sets and show each of them."""
