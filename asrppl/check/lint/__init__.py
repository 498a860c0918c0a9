"""Warnings about a file as a whole."""
