"""Three questions of users' forums, each answered by a rule and by rejection sampling (README.md)."""
