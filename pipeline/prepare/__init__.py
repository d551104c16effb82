"""Source pictures to image sets: decode, resize and crop."""
