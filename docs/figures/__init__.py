"""The curves of docs/choosing.md."""
