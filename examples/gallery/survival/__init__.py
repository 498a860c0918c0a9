"""Survival curves that fall in time, and with the number of positive lymph nodes (README.md)."""
