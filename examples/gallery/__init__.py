"""Results that show what rules are good for: a folder each, with one command (README.md)."""
