"""Pages that show what was made and how: a comparison of the sets, and one of each."""
