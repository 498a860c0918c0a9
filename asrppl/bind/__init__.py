"""Plain values → what names stand for: a signature, and tensors in one layout."""
