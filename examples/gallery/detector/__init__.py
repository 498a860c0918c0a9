"""A small detector in plain torch whose boxes a rule keeps apart (README.md)."""
