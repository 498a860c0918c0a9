"""Typed programs to graphs: tensors of violations, one a rule."""

from asrppl.lower.plan import Plan, lower

__all__ = ["Plan", "lower"]
