"""What a program expects of the guide, found before there is one."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from asrppl.source import Span


@dataclass(frozen=True, slots=True)
class FreeName:
    """A name that the file does not define: what its uses say it must be.

    Args:
        rank: number of indices, None where the uses do not say (an argument of ``len`` only).
        shape: ``"scalar"``, ``"bool"``, ``"int"``, ``"real"``, ``"box"``, ``"record"``, ``"distribution"`` (q(name) is
            read), ``"probabilities"`` (categorical(name) is read) or ``"function"``.
        fields: of a record, in the order of its ``site`` statement.
        pattern: where a ``site`` statement maps the name to numbered sites, or to one that rules cannot write.
        span: its first use.
    """

    name: str
    rank: int | None
    shape: str
    fields: tuple[str, ...] | None
    pattern: str | None
    span: Span = field(compare=False, repr=False)
    draw: bool = True  # whether its value is read (not only q(name))
    declared: bool = False  # whether a `site` statement gives the fields, and with them the order of columns
    given: bool = False  # whether a `given` statement says that it is data
    kind: str | None = None  # "bool" or "int", where that statement says so
    law: bool = False  # whether q(name), or that of a field, is read
    expected: bool = False  # whether its value is read inside E[..] or P[..]
    bare: bool = True  # whether its value is read outside of them
    law_span: Span | None = field(default=None, compare=False, repr=False)  # where q(..) of it is first read

    @property
    def alias(self) -> str | None:
        """The one site, or param, that a ``site`` statement gives the name to; None without such a statement."""
        return self.pattern if self.pattern is not None and "{" not in self.pattern else None


FreeNames = Mapping[str, FreeName]
