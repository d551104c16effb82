"""Score whether two pictures are copies: align them, then compare them in bands of frequencies."""
