"""Which recorded thing each free name of a program means."""

import re
from collections.abc import Collection, Mapping
from dataclasses import replace

from torch import Tensor
from torch.distributions import Distribution

from asrppl.core.families import Family, family, members
from asrppl.core.free import FreeName
from asrppl.core.labels import indexed
from asrppl.diagnostics import Sink
from asrppl.infer.sites.plates import plate_names
from asrppl.infer.sites.referent import Item, Origin, Referent
from asrppl.infer.watch.recording import Recording, full_size
from asrppl.suggest import did_you_mean, nearest


def tables_of(recording: Recording) -> dict[Origin, Mapping[str, Item]]:
    """Return what the names of a program may mean, by origin in the order in which it is looked up."""
    guide = {name: site for name, site in recording.guide.items() if site.traced and not site.factor}
    model = {
        name: site
        for name, site in recording.model.items()
        if site.traced and not site.factor and name not in guide
        if site.observed or site.infer.get("enumerate") == "parallel"
    }
    return {
        "exposed": recording.exposed,
        "guide": {name: site for name, site in guide.items() if not site.observed},
        "model": {**{name: site for name, site in guide.items() if site.observed}, **model},
        "param": recording.params,
    }


def origin_words(origin: Origin) -> str:
    """Return what messages call a thing of this origin."""
    return {
        "bind": "bound value",
        "exposed": "exposed value",
        "guide": "guide site",
        "model": "site",
        "param": "param",
    }[origin]


def find_referent(
    use: FreeName, recording: Recording, tables: Mapping[Origin, Mapping[str, Item]], given: Collection[str], sink: Sink
) -> Referent | None:
    """Return what the name of ``use`` means, or note why it means nothing (ASR080, ASR081, ASR083, ASR085, ASR089).

    Args:
        use: of the name.
        recording: one run of guide and model.
        tables: what names may mean, by origin.
        given: names that ``bind=`` gives.
        sink: of the errors.
    """
    name = use.name
    if name in given:
        if name in recording.exposed:
            sink.add("ASR081", use.span, f"`{name}` is in bind= and the guide exposes it too", help="give it once")
        return Referent(use, "bind", (name,))
    exposed = recording.exposed.get(name)
    if exposed is not None and (use.pattern is None):
        of_distribution = isinstance(exposed.value, Distribution)
        only_distribution = use.shape == "distribution" and not use.draw
        value = exposed.value
        if only_distribution and isinstance(value, Tensor) and not value.is_floating_point():
            pass  # a count, say: no probabilities, so q(name) is that of the site
        elif not (of_distribution and use.draw):
            return Referent(use, "exposed", (name,), site_distribution=False)
        # Only the distribution is exposed; the draws are those of the site of that name.
        elif name in tables["guide"]:
            return Referent(use, "guide", (name,), site_distribution=False)
        else:
            sink.add(
                "ASR089",
                use.span,
                f"`{name}` was exposed as a distribution, and its value is read too",
                help=f"read only `q({name})`, or draw a site {name!r}",
            )
            return None
    site = name if use.pattern is None else use.alias
    for origin in ("guide", "model", "param"):
        if site is not None and site in tables[origin]:
            if (
                origin == "model"
                and site in recording.guide
                and site in recording.model
                and _both_computed(recording, site)
            ):
                sink.add("ASR081", use.span, f"both the guide and the model have a deterministic site {site!r}")
            return Referent(use, origin, (site,))
    if use.pattern is not None or use.rank is None or use.rank >= 1:
        for origin in ("guide", "model", "param"):
            numbered = members(use, tables[origin])
            if numbered:
                found = family(use, numbered)
                if found.missing is None:
                    count = len(found.lengths)
                    return Referent(use, origin, found.members, family=count, lengths=found.lengths, first=found.first)
                _refuse_gap(use, found, tables[origin], sink)
                return None
    _missing(use, recording, tables, sink)
    return None


def _both_computed(recording: Recording, name: str) -> bool:
    return recording.guide[name].deterministic and recording.model[name].deterministic


def _refuse_gap(use: FreeName, found: Family, table: Mapping[str, Item], sink: Sink) -> None:
    frames = [frame for member in found.members for frame in table[member].frames if frame.dim is None]
    part = next((frame for frame in frames if frame.size != full_size(frame)), None)
    if part is not None:
        sink.add(
            "ASR088",
            use.span,
            f"the sites of `{use.name}` are those of the plate {part.name!r}, which is run through one entry at a "
            f"time and subsampled ({part.size} of {full_size(part)}): in each step there are others",
            help=f'run that plate whole, or vectorise it: with pyro.plate("{part.name}", ..)',
        )
        return
    there = ", ".join(map(repr, found.members[:6])) + (", …" if len(found.members) > 6 else "")
    sink.add(
        "ASR085",
        use.span,
        f"the sites of `{use.name}` are not numbered 0, 1, 2, … without gaps: "
        f"there are {there}, and no {found.missing!r}",
        help="number them without gaps, from 0 or from 1; a site that is not there in every run can be masked",
    )


def _missing(use: FreeName, recording: Recording, tables: Mapping[Origin, Mapping[str, Item]], sink: Sink) -> None:
    name = use.name
    latents = [site for site in recording.model.values() if not site.observed and site.name not in recording.guide]
    for site in latents:
        if site.name == name or re.fullmatch(re.escape(name) + r"_\d+", site.name):
            why = "the guide does not sample it, so there is no q of it"
            mend = 'sample it in the guide, or let the model enumerate it: infer={"enumerate": "parallel"}'
            sink.add("ASR083", use.span, f"`{name}` is a latent of the model, but {why}", help=mend, name=name)
            return
    if name in plate_names(recording):
        message = f"`{name}` is a plate; the rules read sites, and index the plates by rank"
        sink.add("ASR080", use.span, message, name=name)
        return
    if members(use, recording.exposed):
        sink.add(
            "ASR080",
            use.span,
            f"`{name}` was exposed in numbered parts, and only sites and params are put together by number",
            help=f'expose it whole: asrppl.expose("{name}", torch.stack(parts, -1), event_dim=1)',
            name=name,
        )
        return
    two = members(replace(use, rank=2), {site for table in tables.values() for site in table})
    if use.rank == 1 and use.pattern is None and two:
        there = next(iter(two.values()))
        message = f"`{name}` is read with 1 index, and its sites have two numbers, as in {there!r}"
        sink.add("ASR080", use.span, message, help=f"give it two: `{name}[i, j]`", name=name)
        return
    known = sorted(
        ({_base(known) for table in tables.values() for known in table} | {k for t in tables.values() for k in t})
        - {name}
    )
    writable = [k for k in known if k.isidentifier()]
    # A parameter of a module goes by a path: `weight` may be meant for "linear.weight".
    close = [k for k in known if not k.isidentifier() and (name in re.split(r"\W+", k) or nearest(name, [k]))]
    help = did_you_mean(name, writable)
    if help is None and close:
        help = f"rules cannot write {close[0]!r}; expose its value in the guide under a name that they can"
        if not set('"\\{}\n\r') & set(close[0]):
            help += f', or give it one in the rules: site {indexed(use)} = "{close[0]}"'
    elif help is None and writable:
        help = f"names there are: {', '.join(f'`{k}`' for k in writable[:8])}"
        if use.pattern is None and use.rank == 1:
            help += f'; numbered sites that some calls make none of are declared: site {name}[i] = "{name}_{{i}}"'
    looked = f"`{name}`"
    if use.pattern is not None:
        looked = f"a site {use.pattern!r}" if use.alias is not None else f"sites numbered {use.pattern!r}"
    sink.add(
        "ASR080",
        use.span,
        f"nothing gives {looked}: no bind=, exposed value, site, param or family of numbered sites is called so",
        help=help,
        name=name,
    )


def _base(name: str) -> str:
    return re.sub(r"_\d+$", "", name)
