"""Write the kept pictures in formats that other programs read."""
