"""What rules that read moments remember between calls, brought together with what a run shows."""

from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from asrppl.bind.bound import InputKey
from asrppl.diagnostics import AsrError, Diagnostic
from asrppl.infer.estimate.attachment import Attachment
from asrppl.infer.estimate.channels import AttachedRule
from asrppl.infer.estimate.evaluation import Evaluation, Leaf
from asrppl.infer.estimate.functional import Functional
from asrppl.infer.estimate.here import (
    FURTHER,
    Here,
    batch_of,
    drawn_anew,
    exact_in,
    inside_of,
    of_each_datum,
    place_of,
    scores_of,
    ways_of,
)
from asrppl.infer.estimate.moments import evaluate
from asrppl.infer.estimate.multipliers import Multipliers
from asrppl.infer.estimate.ranks import Ranks, Share
from asrppl.infer.estimate.taps import Tap
from asrppl.infer.watch.pyro_internals import marked_as, unmark
from asrppl.infer.watch.recording import full_size


@dataclass(frozen=True, slots=True)
class _Open:
    """An evaluation that waits for the derivatives of its taps.

    Args:
        evaluation: of a run.
        whole: whether the run holds all data.
        taps: by leaf.
        keep: keeps it when it is complete; None where nothing is remembered of the rule.
    """

    evaluation: Evaluation
    whole: bool
    taps: dict[Leaf, Tap]
    keep: Callable[[], None] | None


class Memory:
    """By rule what it remembers, and the data of the last call."""

    def __init__(self, ranks: Ranks) -> None:
        self.ranks = ranks
        self.rules: dict[tuple[str, str], Multipliers] = {}  # by rule, and the lengths of what it indexes
        self._seen: tuple[Tensor, ...] = ()
        self._same = True
        self._training = False
        self._ahead = False
        self._looked = False
        self._touched: dict[tuple[str, str], tuple[float | Tensor, frozenset[str]]] = {}
        self._said: set[str] = set()
        self._together = False
        self._share: Share | None = None  # of a call that processes make together
        self._verified = False
        self._open: list[_Open] = []  # waiting for the derivatives of taps

    # ---- calls

    def begin(self, rules: Iterable[str], *, training: bool) -> None:
        """Start a call. Training steps are made by all processes together, other calls by each alone.

        Args:
            rules: what they are, which has to be the same in all processes.
            training: whether it is a training step.

        Raises:
            AsrError: the rules of processes differ (ASR098).
        """
        self._training = training
        self._looked = False
        self._touched = {}
        self._open = []
        self._share = None
        self._together = (training or self._ahead) and self.ranks.several
        if self._together and not self._verified:
            self.ranks.verify_same("the rules", rules)
            self._verified = True

    def begins(self, attachments: Iterable[Attachment]) -> bool:
        """Whether no training step has found means yet, and rules that read some are attached, or none is so far."""
        if any(kept.calls for kept in self.rules.values()):
            return False
        found = list(attachments)
        rules = (attached for attachment in found for attached in attachment.rules if not attached.fixed)
        return not found or any(attached.functional is not None and attached.functional.moments for attached in rules)

    @contextmanager
    def ahead(self) -> Generator[None]:
        """Let the next training step read what the calls find that are made in here, with all processes."""
        self._ahead = True
        try:
            yield
        finally:
            self._ahead = False

    @property
    def taps(self) -> list[Tensor]:
        """What the loss of this call has to be differentiated by."""
        return [leaf for each in self._open for tap in each.taps.values() for leaf in tap.leaves]

    def settle(self, runs: int) -> Tensor | None:
        """Take what the derivatives of the taps say, of a call of so many runs; return what the loss has of them."""
        spent: Tensor | None = None
        for each in self._open:
            assert each.evaluation.settle is not None
            each.evaluation.settle({leaf: tap.means(runs) for leaf, tap in each.taps.items()}, each.whole)
            for tap in each.taps.values():
                spent = tap.spent() if spent is None else spent + tap.spent()
            if each.keep is not None:
                each.keep()
        self._open = []
        return spent

    def finish(self, *, training: bool) -> None:
        """End a call: one that is a training step moves the means and multipliers on."""
        for key, (weight, about) in self._touched.items():
            if training:
                with torch.no_grad():  # the probabilities of enumerated draws have a graph
                    self.rules[key].advance(weight, about)
            else:
                self.rules[key].forget(ahead=self._ahead)

    def look(self, here: Here) -> None:
        """Notice whether the observations are those of the call before: the batch is then all that there is.

        Once they have changed they are not looked at again.
        """
        if self._looked or not self._same:
            return
        self._looked = True
        observed = tuple(site.value.detach() for site in here.recording.model.values() if site.likelihood)
        index = here.recording.entries(here.data)
        apart = self._share is not None and not self._share.apart
        if apart and index is not None:
            observed = (*observed, index)
        before, self._seen = self._seen, observed
        self._same = not before or (
            len(before) == len(observed) and all(_equal(a, b) for a, b in zip(before, observed, strict=True))
        )
        if self._share is not None:
            self._same = self._share.agree(self._same)
            if apart and self._same and not before and index is not None:
                self._same = self._share.hold_each_once(index)
        if not self._same:
            self._seen = ()

    # ---- rules

    def evaluate(self, attached: AttachedRule, here: Here, weight: float | Tensor) -> Evaluation:
        """Return what a run says of a rule that reads moments."""
        functional = attached.functional
        assert functional is not None
        share = self._meet(here)
        here_all = here.all_data if share is None else share.all_there
        if here_all and not self._apart:
            self.look(here)
        all_data = here_all and self._same and not self._apart
        key = functional.name, functional.lengths
        if key not in self.rules:
            self.rules[key] = Multipliers(attached.rule.hard)
        kept = self.rules[key]
        about = of_each_datum(functional, attached, here)
        batch = batch_of(attached, here)
        if share is not None:
            batch = replace(batch, about=about, shared=share.mean)
        place = place_of(here, share, all_data=all_data) if about else None
        exact = exact_in(attached, functional, all_data=all_data)
        means = kept.means_at(place, about)
        inside = inside_of(attached)
        drawn = about - exact - {each.name for each in functional.comparisons} - attached.inside.keys()
        others: list[Mapping[InputKey, Tensor]] = []
        if drawn and place is None:
            others = [reading.tensors for reading in here.further(here.attachment, here.recording, FURTHER)]
            means |= drawn_anew(functional, here, drawn, batch.plates, others, means)
        if place is None and not attached.fixed:
            _verify_told_apart(attached, about)
        kept.quick = functional.comparisons_of(attached.inside.keys())
        scores = scores_of(attached, functional, here) if torch.is_grad_enabled() else {}
        found = evaluate(
            functional,
            {key: unmark(tensor) for key, tensor in here.reading.tensors.items()},
            here.attachment.functions,
            batch,
            means=means,
            cotangents=kept.cotangents_at(place, about),
            multipliers=_fixed(functional) if attached.fixed else kept.slopes_at(weight, place, about),
            exact=exact,
            hard=attached.rule.hard is not None,
            shared={
                each.name: shared
                for each in functional.comparisons
                if each.name in about and place is None and (shared := kept.shared(each.name)) is not None
            },
            scores=scores,
            inside=inside,
            others=others,
        )
        # TraceGraph_ELBO asks the term what it depends on.
        found.term = marked_as(found.term, (here.reading.tensors[key] for key in attached.inputs))
        found.known = ways_of(attached, functional, exact, drawn, told=place is not None)
        axis = None if here.data is None else here.data.dim

        def keep() -> None:
            joined = found, place
            if share is not None and about and axis is not None and (place is not None or kept.hard is not None):
                joined = share.joined(found, place, axis, about)
            kept.add(*joined)
            if not self._training:
                kept.meet(found)

        if not attached.fixed:
            self._touched[key] = (weight, about)
        if inside:
            self._open.append(_Open(found, all_data, {}, None if attached.fixed else keep))
        else:
            keep()
        return found

    def tapped(self, evaluation: Evaluation, taps: dict[Leaf, Tap]) -> None:
        """Keep the taps of an evaluation of this call."""
        next(each for each in self._open if each.evaluation is evaluation).taps.update(taps)

    @property
    def _apart(self) -> bool:
        """Whether this is a call of one process alone, and others have data too."""
        return not self._together and self.ranks.several

    def _meet(self, here: Here) -> Share | None:
        """Return what part of the data is here, None where all of it may be."""
        if self._together and self._share is None:
            texts = [
                f"{each.functional.name} {each.functional.lengths} {sorted(each.drawless)}"
                for each in here.attachment.rules
                if each.functional is not None
            ]
            data = here.data
            size = 1 if data is None else data.size
            full = 1 if data is None else here.attachment.resolution.size or full_size(data)
            self._share = self.ranks.meet(texts, size, full)
        return self._share

    def stuck(self) -> list[str]:
        """Return the hard rules that do not come to hold, each once."""
        found = {name for (name, _), kept in self.rules.items() if kept.stuck} - self._said
        self._said |= found
        return sorted(found)

    def pull(self, name: str) -> Tensor:
        """Return the largest multiplier of a hard rule."""
        own = [kept for (rule, _), kept in self.rules.items() if rule == name]
        every = [each for kept in own for each in (*kept.multipliers.values(), *kept.together.values())]
        most = [multiplier.max() for multiplier in every]
        return most[0] if len(most) == 1 else torch.stack(most).max() if most else torch.zeros(())

    # ---- state

    def state_dict(self) -> dict[str, Any]:
        """Return what every rule remembers, and whether the data have been the same in all calls."""
        rules = {"\n".join(key): kept.state_dict() for key, kept in self.rules.items()}
        return {"same_data": self._same, "rules": rules}

    def load_state_dict(self, state: Mapping[str, Any], hard: Mapping[str, float | None]) -> None:
        """Go on where `state_dict` was taken."""
        self._same = bool(state.get("same_data", True))
        rules = state.get("rules", {})
        for key in self.rules:
            if "\n".join(key) not in rules:
                self.rules[key].forget_all()
        for text, kept in rules.items():
            name, _, lengths = text.partition("\n")
            self.rules.setdefault((name, lengths), Multipliers(hard.get(name))).load_state_dict(kept)


def _fixed(functional: Functional) -> dict[str, Tensor]:
    """Return the multipliers of a rule on draws: its weight, as it stands."""
    return {each.name: torch.ones(()) for each in functional.comparisons}


def _verify_told_apart(attached: AttachedRule, about: frozenset[str]) -> None:
    """Refuse what is said of each datum where nothing says which data a batch holds (ASR092)."""
    functional = attached.functional
    assert functional is not None
    moment = next((each for each in functional.moments if each.name in attached.inside.keys() & about), None)
    if moment is not None:
        message = f"rule `{attached.rule.name}` says of each datum what only the model enumerates, and nothing says "
        message += "which data this batch holds: there is no telling whose multiplier is whose"
        help = "run the plate with `subsample=` and its full size, say which data a batch holds by "
        help += "`regularize(.., data_index=)`, or hand over all data; or say it of all data: `aggregate(..)`"
        raise AsrError([Diagnostic("ASR092", message, moment.operator.span, help=help)])


def _equal(a: Tensor, b: Tensor) -> bool:
    return (a.data_ptr() == b.data_ptr() and a.shape == b.shape) or torch.equal(a, b)
