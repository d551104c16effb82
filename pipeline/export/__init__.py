"""What was kept, in the formats that other people's programs read."""
