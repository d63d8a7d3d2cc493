"""midca: a private certificate authority for dojot, small enough to read in an afternoon."""
