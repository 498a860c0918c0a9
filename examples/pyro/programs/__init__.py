"""Programs of the same structure as Pyro's examples and tutorials, in small: what the tests attach the rule files to.

Sites, plates and parameters have the names that they have there, so that one rule file serves both.
"""
