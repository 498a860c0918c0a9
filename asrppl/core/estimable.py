"""What no guide can make trainable yet: what `regularize` refuses, and `asrppl check` warns of."""

from collections.abc import Iterator
from typing import NamedTuple

from asrppl.core.typed import Expectation, Probability, TypedRule
from asrppl.core.walk import walk
from asrppl.source import Span


class Unestimated(NamedTuple):
    """A part of a rule that has no estimator: where it stands, why, and the mend."""

    span: Span
    message: str
    help: str


def unestimated(rule: TypedRule) -> Iterator[Unestimated]:
    """Yield all of a rule that has no estimator yet."""
    if rule.hard is not None:
        yield Unestimated(
            rule.span,
            f"rule `{rule.name}` is `hard`, and there are no multipliers yet that would hold it",
            "give it a weight, with a warm-up if it is large: `weight 0 -> 100 over 2000 steps`",
        )
    for node in walk(rule.formula):
        match node:
            case Expectation():
                yield Unestimated(
                    node.span,
                    "`E[..]` has no sound estimator yet under a comparison",
                    "leave `E` out, so that every draw has to keep the rule, or read probabilities: `mean(q(n))`",
                )
            case Probability():
                yield Unestimated(
                    node.span,
                    "`P[..]` has no sound estimator yet under a comparison",
                    "state the formula itself, so that every draw has to keep it; "
                    "or read the probabilities: `kl(delta(1) || q(n))`",
                )
            case _:
                pass
