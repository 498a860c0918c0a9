"""Topics that have names, by a few seed words each (README.md)."""
