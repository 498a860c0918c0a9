"""Mixtures whose components swap labels, and a rule that puts them in order (README.md)."""
