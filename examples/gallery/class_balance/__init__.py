"""A classifier with few labels, of which rules ask the classes' known shares (README.md)."""
