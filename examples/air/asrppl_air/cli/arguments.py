"""Types of arguments, for argparse."""

import argparse
import os
from pathlib import Path

_THREADS = 64  # more than that only where there are as many processors: at some thousands torch crashes


def positive(text: str) -> int:
    """A positive integer, for argparse."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return number


def threads(text: str) -> int:
    """A number of CPU threads that torch can start."""
    number, most = positive(text), max(_THREADS, os.cpu_count() or 1)
    if number > most:
        raise argparse.ArgumentTypeError(f"{text} threads are more than this machine could use; at most {most}")
    return number


def directory(text: str) -> Path:
    """The path of a folder: not of none, which would be the one that the command runs in."""
    if not text:
        raise argparse.ArgumentTypeError('the name of the folder is empty; "." is the one that you are in')
    return Path(text)
