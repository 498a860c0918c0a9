"""``q(name)``: the law that the guide gives a site, that a guide exposed, or the point mass at what was observed."""

from dataclasses import replace
from typing import NoReturn

from torch import Tensor
from torch.distributions import Categorical, Distribution

from asrppl.bind.finite import Support, finite_log_probs, is_one_hot, observed_log_probs
from asrppl.bind.laws import LawTensors, law_of, point_mass, unwrapped
from asrppl.bind.records import RecordError, from_columns
from asrppl.core.laws import component
from asrppl.infer.sites.auxiliary import Auxiliaries, UnknownLawError
from asrppl.infer.sites.layout import Reading, index, move_plates, refuse, stack
from asrppl.infer.sites.referent import Item, Referent
from asrppl.infer.watch.recording import Exposure, Recording, Site

_Finite = tuple[Support, Tensor]


def read_law(name: str, referent: Referent, items: list[Item], recording: Recording, reading: Reading) -> None:
    """Put the law of a name into ``reading``: log-probabilities over its support, or a family's parameters.

    Raises:
        AsrError: its law is not known (ASR089), or its sites have different ones (ASR085).
    """
    free = referent.free
    if free.law_span is not None:  # findings are about q(..), and the name may have been read by itself before
        referent = replace(referent, free=replace(free, span=free.law_span))
    if referent.site_distribution:
        auxiliaries = Auxiliaries(recording)
        found = [_of_site(item, referent, auxiliaries) for item in items]
        one_hot = any(isinstance(item, Site) and is_one_hot(item.fn) for item in items)
    else:
        exposed, one_hot = recording.exposed[name], False
        found = [_of_exposed(exposed, referent)]
        event_dim = max(0, exposed.event_dim - 1) if isinstance(exposed.value, Tensor) else exposed.event_dim
        referent = replace(referent, event_dim=event_dim, drop=False)
    finite = [law for law in found if not isinstance(law, LawTensors)]
    known = [law for law in found if isinstance(law, LawTensors)]
    if len({support for support, _ in finite} | {law for law, _ in known}) > 1:
        refuse(referent, "ASR085", f"the sites of `{name}` have different supports or laws")
    if finite:
        _finite(name, referent, items, finite, reading, one_hot)
    else:
        _parametric(name, referent, items, known, reading)


def read_expected(name: str, referent: Referent, items: list[Item], reading: Reading) -> None:
    """Put the law of a name into ``reading`` that means are taken over, where the guide gives it finitely many values.

    Such a mean is then a sum over them (`asrppl.core.exact`).
    """
    free = referent.free
    if not free.expected or free.given or free.shape in ("box", "record", "probabilities", "function"):
        return
    if referent.origin != "guide" or not referent.site_distribution:
        return
    found = [None if not isinstance(item, Site) or is_one_hot(item.fn) else finite_log_probs(item.fn) for item in items]
    laws = [law for law in found if law is not None]
    if len(laws) == len(found) and len({support for support, _ in laws}) == 1:
        _finite(name, referent, items, laws, reading, one_hot=False)


def _finite(
    name: str, referent: Referent, items: list[Item], found: list[_Finite], reading: Reading, one_hot: bool
) -> None:
    event_axes = (referent.event_axes if referent.site_distribution else referent.event_dim) - one_hot
    if referent.drop:  # of values the last axis, of length 1, is left out too
        found = [(support, log_probs.squeeze(-2)) for support, log_probs in found]
    reading.supports[name] = found[0][0]
    moved = [
        move_plates(log_probs, event_axes + 1, referent, item)
        for (_, log_probs), item in zip(found, items, strict=True)
    ]
    axes = event_axes + 1 + len(referent.plates)
    reading.tensors[name, "log_probs"] = stack(moved, axes) if referent.family else moved[0]
    reading.ranks[name] = axes - 1 + referent.family


def _parametric(name: str, referent: Referent, items: list[Item], found: list[LawTensors], reading: Reading) -> None:
    reading.laws[name] = law = found[0].law
    for place, part in enumerate(law.parts):
        members = [
            _columns(parameters[place], item, referent) for (_, parameters), item in zip(found, items, strict=True)
        ]
        for field in members[0]:
            parts = [member[field] for member in members]
            stacked = stack(parts, referent.rank - 1) if referent.family else parts[0]
            reading.tensors[name, component(part, field)] = stacked


def _columns(parameter: Tensor, item: Item, referent: Referent) -> dict[str | None, Tensor]:
    if not referent.columns:
        return {None: index(parameter, referent.event_dim, referent, item)}
    columns = tuple(index(column, referent.event_dim - 1, referent, item) for column in parameter.unbind(-1))
    try:
        return {**from_columns(referent.free, columns, referent.title)}
    except RecordError as error:
        refuse(referent, "ASR086", error.message, error.help)


# ---- of one thing


def _of_site(item: Item, referent: Referent, auxiliaries: Auxiliaries) -> _Finite | LawTensors:
    if not isinstance(item, Site) or item.deterministic:
        what = "is a param" if not isinstance(item, Site) else "is computed"
        refuse(
            referent,
            "ASR089",
            f"`{referent.free.name}` ({referent.title}) {what}: q is the law of what the guide draws",
            f"read its value, `{referent.free.name}`, itself",
        )
    if item.observed:
        return _of_observed(item)
    found = _finite_of(item.fn, referent)
    if found is None and type(unwrapped(item.fn)).__name__ == "Delta":
        try:
            found = auxiliaries.law(item)
        except UnknownLawError as error:
            refuse_unknown(referent, error)
    found = law_of(item.fn) if found is None else found
    if found is None:
        _refuse(referent, f"is distributed as {type(unwrapped(item.fn)).__name__}")
    return found


def _of_observed(item: Site) -> _Finite | LawTensors:
    shape = (*item.fn.batch_shape, *item.fn.event_shape)
    value = item.value.expand(shape) if item.value.dim() < len(shape) else item.value
    found = observed_log_probs(item.fn, value)
    return point_mass(value) if found is None else found


def _of_exposed(exposed: Exposure, referent: Referent) -> _Finite | LawTensors:
    value = exposed.value
    if isinstance(value, Tensor):  # probabilities along the last axis
        value = Categorical(probs=value, validate_args=False)
    if not isinstance(value, Distribution):
        _refuse(referent, "is a record of values")
    found = _finite_of(value, referent)
    found = law_of(value) if found is None else found
    if found is None:
        _refuse(referent, f"is distributed as {type(unwrapped(value)).__name__}")
    return found


def _finite_of(fn: Distribution, referent: Referent) -> _Finite | None:
    # Fields are of reals: a record's law is told by its parameters.
    return None if referent.columns else finite_log_probs(fn)


def refuse_unknown(referent: Referent, error: UnknownLawError) -> NoReturn:
    """Report a site whose law cannot be told."""
    refuse(
        referent,
        "ASR089",
        f"`q({referent.free.name})` is not known: {referent.title} is a Delta, and {error.message}",
        error.help or f"`E[{referent.free.name}]` says it of the mean, `P[{referent.free.name} <= c]` of the cdf",
    )


def _refuse(referent: Referent, what: str) -> NoReturn:
    name = referent.free.name
    refuse(
        referent,
        "ASR089",
        f"`q({name})` needs a distribution whose law is known; {referent.title} {what}",
        f'expose one in the guide: asrppl.expose("{name}", dist.Normal(...))',
    )
