"""Sets of encoded pictures: their archives, keys and labels, and the raw folder that says where a set comes from."""
