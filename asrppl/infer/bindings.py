"""What names were bound to, for people."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from asrppl.core.signature import Entry, Level
from asrppl.diagnostics import Diagnostic, render
from asrppl.infer.estimate.attachment import Attachment
from asrppl.infer.estimate.channels import Channel
from asrppl.notebook import table, text


@dataclass(frozen=True, slots=True)
class Binding:
    """What one name was bound to.

    Args:
        origin: where it was found ("guide sites 'z_where_0' to 'z_where_2'").
        axes: length and meaning of each index axis, outermost first.
        kind: of its numbers ("real", "int", "bool"; "box" and records say so).
        levels: what its value varies with: "z" (draws), "x" (the datum).
        masked: whether entries may be absent.
        support: what ``q(name)`` ranges over, None where no rule reads it.
    """

    origin: str
    axes: tuple[tuple[int, str], ...]
    kind: str
    levels: tuple[str, ...]
    masked: bool
    support: tuple[int | float, ...] | None


@dataclass(frozen=True, slots=True)
class RuleBinding:
    """How one rule enters the objective.

    Args:
        name: of the rule.
        channel: S (a factor) or P (its pathwise gradient).
        reason: of the channel.
        idle: whether it, or a part of it, runs over no instance in such a call.
    """

    name: str
    channel: Channel
    reason: str
    idle: bool = False

    @property
    def row(self) -> tuple[str, str, str]:
        """What tables show of it."""
        return self.name, self.channel, self.reason + ("; runs over no instance" if self.idle else "")


@dataclass(frozen=True, slots=True, repr=False)
class Bindings(Mapping[str, Binding]):
    """What each name of the rules was bound to, and how each rule enters the objective. Prints as a table.

    Made by `RegularizedELBO.bindings`; a mapping from names to `Binding`::

        >>> def model():
        ...     with pyro.plate("component", 3):
        ...         pyro.sample("loc", dist.Normal(0.0, 5.0))
        >>> bindings = asrppl.regularize(model, AutoDelta(model), "forall k: loc[k] <= loc[k + 1]").bindings()
        >>> bindings["loc"].axes, bindings["loc"].origin
        (((3, "plate 'component'"),), "guide site 'loc'")

    Args:
        names: bindings by name.
        rules: by rule the channel that its gradient takes, S (a factor in the model: score functions, enumeration) or
            P (its pathwise gradient), and why.
        data: the name of the data plate, whose full size N makes weights nats per datum; None without one.
        warnings: about the rules as they are bound: one that runs over no instance, say, and costs nothing.
    """

    names: Mapping[str, Binding]
    rules: tuple[RuleBinding, ...]
    data: str | None
    warnings: tuple[Diagnostic, ...] = ()

    def __getitem__(self, name: str) -> Binding:
        return self.names[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def __repr__(self) -> str:
        return f"Bindings({', '.join(self.names)}; data plate {self.data!r})"

    def __str__(self) -> str:
        lines = [*_columns(self._rows()), self._data()]
        rows = [rule.row for rule in self.rules]
        lines += _columns([(f"rule {name}", f"channel {channel}", reason) for name, channel, reason in rows])
        lines += [f"warning[{found.code}]: {found.message}" for found in self.warnings]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        names = table(("name", "kind", "axes", "varies with", "found"), self._rows(), self._data())
        rules = [rule.row for rule in self.rules]
        found = text("\n".join(map(render, self.warnings))) if self.warnings else ""
        return names + table(("rule", "channel", "why"), rules) + found

    def _rows(self) -> list[tuple[str, ...]]:
        return [
            (
                name,
                binding.kind + (", masked" if binding.masked else ""),
                " × ".join(f"{length} ({meaning})" for length, meaning in binding.axes) or "scalar",
                "varies with " + ", ".join(binding.levels) if binding.levels else "constant",
                binding.origin,
            )
            for name, binding in self.names.items()
        ]

    def _data(self) -> str:
        return f"data plate: {self.data!r}" if self.data is not None else "no data plate"


def _columns(rows: list[tuple[str, ...]]) -> list[str]:
    if not rows:
        return []
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def bindings_of(attachment: Attachment) -> Bindings:
    """Return what an attachment binds."""
    names: dict[str, Binding] = {}
    for name, entry in attachment.signature.entries:
        referent = attachment.resolution.referents[name]
        meanings = ["sites"] * len(entry.first) + [f"plate {plate!r}" for plate, _ in referent.plates]
        meanings += ["event"] * (len(entry.axes) - len(meanings))
        levels = {Level.DRAW: "z", Level.DATUM: "x"}
        only_distribution = referent.free.shape == "distribution" and not referent.free.draw
        read = entry.distribution_levels if only_distribution else entry.levels
        names[name] = Binding(
            origin=entry.origin,
            axes=tuple(zip(entry.axes, meanings, strict=True)),
            kind=_kind(entry),
            levels=tuple(word for level, word in levels.items() if level in read),
            masked=entry.masked or name in attachment.masked,
            support=entry.support,
        )
    rules = tuple(
        RuleBinding(rule.rule.name, rule.channel, rule.reason, rule.rule.name in attachment.idle)
        for rule in attachment.rules
    )
    return Bindings(names, rules, attachment.resolution.data, attachment.warnings)


def _kind(entry: Entry) -> str:
    if entry.function:
        return "function"
    if entry.fields is None:
        return entry.kind.value
    return ("square (" if entry.squares else "record (") + ", ".join(entry.fields) + ")"
