"""A hidden Markov model trained without tags, of whose states rules say what they are (README.md)."""
