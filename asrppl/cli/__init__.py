"""The ways in: commands and the REPL."""
