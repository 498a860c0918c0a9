"""A regression that has to fall in three features of a car (README.md)."""
