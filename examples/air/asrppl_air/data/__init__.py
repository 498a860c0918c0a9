"""The data: digits and sprites, the scenes made of them, and where they are kept."""
