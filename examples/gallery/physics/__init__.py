"""A function that is to obey an equation, measured at a few places (README.md)."""
