"""Which draws of a run a mean may be summed over: those whose law is known, and that nothing else depends on."""

from asrppl.bind.bound import InputKey
from asrppl.core.exact import summed
from asrppl.core.rules import TypedRule
from asrppl.core.signature import Level
from asrppl.core.typed import Expectation, ExpectedDistribution, Probability
from asrppl.core.walk import walk
from asrppl.infer.estimate.soundness import Evidence, inputs_of

_OVER_DRAWS = (Expectation, Probability, ExpectedDistribution)


def with_sums(rule: TypedRule, evidence: Evidence) -> TypedRule:
    """Return a rule whose means over draws of finite sites are sums over their states; itself where it has none."""
    laws = _laws(evidence)

    def depends(key: InputKey) -> frozenset[str]:
        own = {draw.site for draw in evidence.draws(key)}
        # A draw that gradients do not pass through depends on what its law was computed from all the same.
        sites = own.union(*(evidence.before.get(site, frozenset()) for site in own))
        return frozenset(name for name, members in laws.items() if not sites.isdisjoint(members))

    return summed(rule, evidence.signature, frozenset(laws), depends)


def law_keys(rule: TypedRule, unsummed: TypedRule) -> frozenset[InputKey]:
    """Return the probabilities that the sums read and the rule as it is written does not."""
    return inputs_of(rule.formula) - inputs_of(unsummed.formula)


def ways_of_sums(unsummed: TypedRule, rule: TypedRule) -> dict[str, str]:
    """Return the means over draws that are written and are sums in ``rule``, by their text."""
    left = {node.span for node in walk(rule.formula) if isinstance(node, _OVER_DRAWS)}
    found = [node.span for node in walk(unsummed.formula) if isinstance(node, _OVER_DRAWS)]
    return {span.text: "exact" for span in found if span not in left}


def _laws(evidence: Evidence) -> dict[str, frozenset[str]]:
    """Return the names of sites whose probabilities read no draw, so that their entries are independent; their sites.

    Where the run could not be tracked there are none: nothing says what reads what.
    """
    found: dict[str, frozenset[str]] = {}
    if evidence.provenance is None:
        return found
    for name, referent in evidence.resolution.referents.items():
        entry = evidence.signature.get(name)
        if entry is None or entry.support is None or not referent.free.expected:
            continue
        known = referent.origin == "guide" and referent.site_distribution and not referent.free.given
        drawn = Level.DRAW in entry.distribution_levels or evidence.draws((name, "log_probs"))
        if known and not drawn and (name, "log_probs") in evidence.reading.tensors:
            found[name] = frozenset(referent.members)
    return found
