"""A model and a guide, wrapped: the guide is watched, and the model ends in the rules' terms."""

import logging
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from pyro.infer.elbo import ELBO
from torch import Tensor

from asrppl.bind.bound import Bound, InputKey
from asrppl.check import RuleInfo
from asrppl.core.bounded import Bounded
from asrppl.core.signature import Entry
from asrppl.diagnostics import AsrError, Diagnostic, warn_of
from asrppl.infer.attach import attach
from asrppl.infer.estimate.attachment import Attachment
from asrppl.infer.estimate.channels import AttachedRule
from asrppl.infer.estimate.factor import emit, open_plates
from asrppl.infer.estimate.memory import Memory
from asrppl.infer.estimate.soundness import draws_of
from asrppl.infer.estimate.tally import Tally
from asrppl.infer.sites.absent import families_of
from asrppl.infer.sites.layout import Reading
from asrppl.infer.sites.plates import frame_of
from asrppl.infer.told import DataIndex, told
from asrppl.infer.watch.again import Generators, run_again
from asrppl.infer.watch.dependence import Watch
from asrppl.infer.watch.recorder import Recorder, Watcher, further_draws, is_handed_over, recording_of, run_apart
from asrppl.infer.watch.recording import Recording, Site
from asrppl.infer.watch.untouched import kept_params, untouched
from asrppl.program import Program

logger: logging.Logger = logging.getLogger(__name__)

_KEPT = 32
"""Structures whose bindings a pair keeps: a program that takes a new shape in every step must not fill the memory."""


class CarriedError(Exception):
    """Carries an `AsrError` out of Pyro's trace, which makes every ValueError anew from its text alone."""

    def __init__(self, error: AsrError) -> None:
        super().__init__(str(error))
        self.error = error


class Pair:
    """One model and guide, and what the rules were bound to in each structure that they have shown.

    Args:
        model: a Pyro program.
        guide: likewise.
        program: the rules.
        given: what ``bind=`` gave.
        data: the data plate's name.
        data_size: the number of data, of a plate without a size.
        base: the objective.
        memory: what rules that read moments remember of the calls before.
    """

    def __init__(
        self,
        model: Callable[..., Any],
        guide: Callable[..., Any],
        program: Program,
        given: Bound,
        data: str | None,
        data_size: int | None,
        data_index: DataIndex | None,
        base: ELBO,
        memory: Memory,
    ) -> None:
        self.model = model
        self.guide = guide
        self.program = program
        self.given = given
        self.data = data
        self.data_size = data_size
        self.data_index = data_index
        self.base: Any = base
        self.kind: type = type(base)
        self.attachments: Bounded[object, Attachment] = Bounded(_KEPT)
        self.tally: Tally = Tally()
        self.memory = memory
        self.last: tuple[Attachment, Reading] | None = None  # of this call
        self.families: dict[str, Entry] = {}
        self.recorder: Recorder = Recorder()
        self.warned: set[Diagnostic] = set()
        self.inside: bool | None = None  # whether rules read what the model enumerates, once that is known
        self.watch: Watch | None = None
        self.leaks: Bounded[object, bool] = Bounded(_KEPT)  # those of runs that attachments were made with
        self.handed: Bounded[Attachment, bool] = Bounded(_KEPT)  # whether batches are handed to the data plate
        self.step: int = 0
        self.start: Generators | None = None  # before the guide ran
        self.weights: Mapping[str, float | Tensor] | None = None

    @contextmanager
    def at(self, step: int, weights: Mapping[str, float | Tensor] | None = None) -> Generator[Tally]:
        """Be at ``step`` of the schedules, or have other ``weights``, for one call of the objective; yield its sums."""
        self.step = step
        self.weights = weights
        self.tally = Tally()
        try:
            yield self.tally
        finally:
            # Recorded tensors hold graphs: memory, and deepcopy refuses them.
            self.recorder, self.watch, self.last, self.start = Recorder(), None, None, None

    def is_empty(self, rule: RuleInfo) -> bool:
        """Whether it is said already that (a part of) a rule runs over no instance."""
        found = [warning for attachment in self.attachments.values() for warning in attachment.warnings]
        places = [warning.span for warning in found if warning.code == "ASR066"]
        return any(place is not None and rule.span.start <= place.start < rule.span.end for place in places)

    def looks_inside(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        """Whether rules read what the model enumerates; for the first call guide and model run apart."""
        if self.inside is None:
            with kept_params(), untouched(self.model, self.guide):
                self.attach(run_apart(self.model, self.guide, args, kwargs), args, kwargs)
        return bool(self.inside)

    def begins(self) -> bool:
        """Whether no training step has found means yet, and rules may read some."""
        return self.memory.begins(self.attachments.values())

    def run_guide(self, *args: Any, **kwargs: Any) -> Any:
        """Run the guide and keep what it does."""
        self.watch = Watch() if self._watches() else None
        self.start = Generators.now() if self._repeats() else None
        self.recorder = recorder = Recorder(self.watch)
        with self.watch or nullcontext(), recorder:
            return self.guide(*args, **kwargs)

    def run_model(self, *args: Any, **kwargs: Any) -> Any:
        """Run the model, then put the rules' terms into it."""
        recorder = Recorder(self.watch)
        with self.watch or nullcontext(), recorder:
            returned = self.model(*args, **kwargs)
        try:
            self._emit(recording_of(self.recorder, recorder), args, kwargs)
        except AsrError as error:
            raise CarriedError(error) from None
        return returned

    def _watches(self) -> bool:
        # The first run too: what it leaks is what its attachment is made with.
        known = list(self.attachments.values())
        return torch.is_grad_enabled() and (not known or any(attachment.watched for attachment in known))

    def _repeats(self) -> bool:
        """Whether the guide may have to run a second time with the same random numbers."""
        known = list(self.attachments.values())
        return torch.is_grad_enabled() and (not known or any(attachment.repeats for attachment in known))

    def _emit(self, recording: Recording, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        # Whether gradients reach a value from its draw (ASR094) shows only in a run that takes them.
        structure = (recording.structure, torch.is_grad_enabled())
        attachment = self.attachments.get(structure)
        leaks = None if self.watch is None else (structure, self.watch.leaks)
        with self.watch or nullcontext():
            reading = None if attachment is None else attachment.read(recording)
        if attachment is None or reading is None or not attachment.fits(reading):
            attachment = self.attachments.put(structure, self.attach(recording, args, kwargs))
            reading = attachment.read(recording)
        elif attachment.watched and self.watch is not None:
            seen = {key: self.watch.marks_of(tensor) for key, tensor in reading.tensors.items()}
            wrong = any(seen[key] for attached in attachment.rules if attached.watched for key in attached.watching)
            if wrong or leaks not in self.leaks:
                attachment = self.attachments.put(structure, self.attach(recording, args, kwargs, seen))
        if leaks is not None:
            self.leaks.put(leaks, True)
        self.last = attachment, reading
        recording.told = told(self.data_index, attachment, recording, args, kwargs)
        recording.handed = recording.told is None and self._is_handed_over(attachment, recording, args, kwargs)
        nesting = self.base.max_plate_nesting

        def further(attachment: Attachment, recording: Recording, count: int) -> Iterator[Reading]:
            for found in further_draws(self.guide, args, kwargs, recording, count):
                yield attachment.read(found)

        second: dict[str, Site] = {}

        def again(attached: AttachedRule) -> Mapping[str, Site]:
            if not second:
                assert self.start is not None
                second.update(self._run_again(recording, self.start, attached, args, kwargs))
            return second

        emit(
            attachment,
            recording,
            reading,
            self._weights(attachment),
            max_plate_nesting=nesting,
            tally=self.tally,
            memory=self.memory,
            further=further,
            again=again,
        )

    def _is_handed_over(
        self, attachment: Attachment, recording: Recording, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> bool:
        each = any(attached.functional and attached.functional.of_each_datum for attached in attachment.rules)
        plate = frame_of(attachment.resolution.data, recording) if each else None
        if plate is None:
            return False

        def look() -> bool:
            try:
                return is_handed_over(self.model, self.guide, args, kwargs, recording, plate)
            except Exception as error:  # a program may run under its objective's handlers alone
                logger.warning(
                    "asrppl: guide and model do not run apart (%s: %s); which data are here is what the plate says",
                    type(error).__name__,
                    error,
                )
                return False

        return self.handed.get_or(attachment, look)

    def _run_again(
        self, recording: Recording, start: Generators, attached: AttachedRule, args: tuple[Any, ...], kwargs: Any
    ) -> Mapping[str, Site]:
        sites, differing = run_again(self.guide, args, kwargs, recording, start, open_plates())
        if differing:
            message = (
                f"rule `{attached.rule.name}` jumps in reparameterised draws, and its gradient takes a second run of "
                f"the guide with the same random numbers, in which {draws_of(sorted(differing))} came out otherwise"
            )
            help = "let the guide be the same function each time it is called (no counters, no generators of its own)"
            raise AsrError([Diagnostic("ASR095", message, attached.rule.span, help=help)])
        return sites

    def warn_of_nan(self) -> None:
        """Warn of rules whose violation became NaN in this call, from the last run's values."""
        if self.last is not None:
            attachment, reading = self.last
            bound = Bound(attachment.signature, reading.tensors, {})
            rules = (attached.rule for attached in attachment.rules)
            self.program.warn_of_nan(rules, self.tally.violations, bound)

    def _weights(self, attachment: Attachment) -> Mapping[str, float | Tensor]:
        if self.weights is not None:
            return self.weights
        return {attached.rule.name: attached.rule.weight.at(self.step) for attached in attachment.rules}

    def attach(
        self,
        recording: Recording,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        seen: Mapping[InputKey, frozenset[str]] | None = None,
    ) -> Attachment:
        """Bind the rules to what ``recording`` shows, running guide and model apart with the same arguments.

        Args:
            recording: of a run.
            args: of guide and model.
            kwargs: likewise.
            seen: sites whose draws that run was seen to compute tensors from.
        """

        def rerun(tracker: Watcher | None) -> Recording:
            return run_apart(self.model, self.guide, args, kwargs, tracker)

        attachment = attach(
            self.program,
            recording,
            rerun,
            given=self.given,
            data=self.data,
            data_size=self.data_size,
            base=self.kind,
            families=self.families,
            seen=seen or {},
        )
        self.inside = bool(self.inside) or any(attached.inside for attached in attachment.rules)
        known = self.program.warnings(attachment.signature)  # those it has raised itself
        warn_of(found for found in attachment.warnings if found not in known and found not in self.warned)
        self.warned |= set(attachment.warnings)
        self.families.update(families_of(attachment.signature))
        return attachment
