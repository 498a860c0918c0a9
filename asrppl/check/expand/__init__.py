"""Expressions to typed terms and formulas, definitions expanded."""
