"""How tightly a construct binds: the grammar's levels, loosest first."""

IFF, IMPLIES, OR, AND, NOT, COMPARE, SUM, PRODUCT, UNARY, POWER, POSTFIX, ATOM = range(12)

LOGIC = {
    "iff": (IFF, IMPLIES, IMPLIES),
    "implies": (IMPLIES, OR, IMPLIES),
    "or": (OR, OR, AND),
    "and": (AND, AND, NOT),
}
"""Of an operator its own level, and what it takes to its left and to its right."""
ARITHMETIC = {
    "+": (SUM, SUM, PRODUCT),
    "-": (SUM, SUM, PRODUCT),
    "*": (PRODUCT, PRODUCT, UNARY),
    "/": (PRODUCT, PRODUCT, UNARY),
    "^": (POWER, POSTFIX, UNARY),
}
