"""Typed programs to graphs: tensors of violations, one a rule."""

from asrppl.lower.errors import NeedsGuideError
from asrppl.lower.plan import Plan, lower

__all__ = ["NeedsGuideError", "Plan", "lower"]
