"""The examples: what is attached to each, and the same by hand."""
