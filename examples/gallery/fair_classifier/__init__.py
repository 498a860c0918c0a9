"""A classifier of which a rule asks demographic parity (README.md)."""
