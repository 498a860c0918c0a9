"""The reference: what rules mean, worked out one index value after the other, in plain Python.

It is written from the language's reference (docs/language.md) alone and shares nothing with the checker and the
compiler but the parser, so that their agreement says something. It takes a text that has been checked, and the values
of one datum.
"""

from asrppl.reference.interpreter import Outcome, Reference
from asrppl.reference.values import Given

__all__ = ["Given", "Outcome", "Reference"]
