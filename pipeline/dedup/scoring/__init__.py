"""Score a pair of pictures: align them, then compare their frequencies."""
