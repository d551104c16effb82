"""Data sets, a file each: where the archives are, what to expect of them, how to read them."""
