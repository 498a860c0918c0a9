"""Names → what they stand for: plain values, or the sites of a Pyro program."""
