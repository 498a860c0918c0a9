"""AIR, the paper's model: data, Pyro programs, training, metrics and pictures."""
