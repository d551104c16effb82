"""Sets of encoded pictures: their archives, keys and labels, and the raw folder that describes the source of a set."""
