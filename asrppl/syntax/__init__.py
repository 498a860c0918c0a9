"""Rule text → tree, and back: parsing with hand-written messages, and printing."""

from asrppl.syntax.format import format_expression, format_file
from asrppl.syntax.parse import Parsed, parse_file

__all__ = ["Parsed", "format_expression", "format_file", "parse_file"]
