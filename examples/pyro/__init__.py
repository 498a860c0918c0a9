"""Rules on Pyro's own examples, out of a checkout and unchanged, against computations by hand."""
