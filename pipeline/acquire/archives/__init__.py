"""Find, verify and unpack the archives of a data set."""
