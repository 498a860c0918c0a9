"""Rules attached: what stays the same from step to step."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from torch import Tensor

from asrppl.bind.bound import Bound
from asrppl.core.signature import Signature
from asrppl.diagnostics import Diagnostic
from asrppl.infer.estimate.channels import AttachedRule
from asrppl.infer.estimate.lengths import verify_lengths
from asrppl.infer.sites.cdfs import SiteLaw, read_laws
from asrppl.infer.sites.layout import Reading
from asrppl.infer.sites.read import read
from asrppl.infer.sites.referent import Resolution
from asrppl.infer.watch.recording import Recording
from asrppl.lower import Plan


@dataclass(frozen=True, slots=True, eq=False)
class Attachment:
    """Everything that does not change from step to step."""

    resolution: Resolution
    given: Bound
    signature: Signature
    plan: Plan
    functions: dict[str, Callable[..., Tensor]]
    rules: tuple[AttachedRule, ...]
    masked: frozenset[str]  # names whose whole data may be absent
    warnings: tuple[Diagnostic, ...]
    idle: frozenset[str] = frozenset()  # rules that run over no instance, wholly or in a part
    laws: Mapping[str, SiteLaw] = field(default_factory=dict[str, SiteLaw])  # of names that rules may read by their cdf

    @property
    def watched(self) -> bool:
        """Whether a rule's channel may become wrong while the structure stays."""
        return any(attached.watched for attached in self.rules)

    @property
    def repeats(self) -> bool:
        """Whether a step takes a second run of the guide."""
        return any(scored.again for attached in self.rules for scored in attached.scored.values())

    def read(self, recording: Recording) -> Reading:
        """Return the tensors of a run."""
        reading = read(self.resolution, recording, self.given)
        read_laws(self.laws, self.resolution, recording, reading)
        return reading

    def violations(self, reading: Reading) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Return the violation over the batch of a run of each rule that reads no moments.

        And of the rules that may be vacuous, where they are not (`Plan.evaluate`).

        Raises:
            AsrError: an exposed or bound value does not fit the plates of this run (ASR096), or a bound function
                does not return a number for each number (ASR073, ASR094).
        """
        try:
            return self.plan.evaluate(reading.tensors, self.functions)
        except RuntimeError:
            verify_lengths(self.rules, reading, self.signature, self.resolution.referents)
            raise

    def fits(self, reading: Reading) -> bool:
        """Whether a run of the same structure has the supports, laws and index plates that the plan was made for."""
        for name, support in reading.supports.items():
            entry = self.signature.get(name)
            if entry is None or entry.support != support:
                return False
        for name, law in reading.laws.items():
            entry = self.signature.get(name)
            if entry is None or entry.law != law:
                return False
        if any(key not in reading.tensors for attached in self.rules for key in attached.laws):
            return False
        for name, referent in self.resolution.referents.items():
            entry = self.signature.get(name)
            if referent.plates and entry is not None:
                component = next(key[1] for key in reading.tensors if key[0] == name)
                tensor = reading.tensors[name, component]
                last = tensor.dim() - (component == "log_probs")
                if tuple(tensor.shape[last - len(entry.axes) : last]) != entry.axes:
                    return False
        return True
