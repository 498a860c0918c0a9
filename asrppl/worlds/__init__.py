"""Worlds: values for the names that rules read. Why one breaks a rule, what mends it, and one that keeps them all.

All that it says is worked out, or checked, by the reference interpreter. What explains a world, `why`, needs no torch.
"""

from asrppl.worlds.why import Branch, Instance, Mend, Why, why

__all__ = ["Branch", "Instance", "Mend", "Why", "why"]
