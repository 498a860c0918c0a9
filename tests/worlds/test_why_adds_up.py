"""What `why` says adds up to the violation, and its mends mend: on generated rules."""

import copy
from typing import Any

import pytest

from asrppl.diagnostics import AsrError
from asrppl.program import parse
from asrppl.reference import Reference
from asrppl.worlds import Mend, Why, why
from tests.programs import Writer, values

pytestmark = pytest.mark.filterwarnings("ignore::asrppl.AsrWarning")


def explained(block: int) -> list[tuple[str, dict[str, object], Why]]:
    """Generated rules, each with values that break it, and what is said of them."""
    found: list[tuple[str, dict[str, object], Why]] = []
    for seed in range(30 * block, 30 * (block + 1)):
        text = Writer(seed).file()
        _, (datum,) = values(seed % 97, 1)
        try:
            read = {name: datum[name] for name in parse(text).free}
            (one,) = why(text, read, shown=1_000)
        except AsrError:
            continue
        found.append((text, read, one))
    return found


def put(read: dict[str, Any], mend: Mend) -> dict[str, Any]:
    """The values with a mend in them."""
    changed = copy.deepcopy(read)
    name, _, rest = mend.entry.partition("[")
    places, _, field = rest.partition("]")
    places = [int(place) for place in places.split(",")] if places else []
    nested = changed[name]
    parts = [*([field[1:]] if field else ["value"] if isinstance(nested, dict) else []), *places]
    if not parts:
        return {**changed, name: mend.new}
    for part in parts[:-1]:
        nested = nested[part]
    nested[parts[-1]] = mend.new
    return changed


@pytest.mark.parametrize("block", range(3))
def test_instances_add_up_and_mends_mend(block: int) -> None:
    broken, mended = 0, 0
    for text, read, one in explained(block):
        (outcome,) = Reference(text, read).violations()
        assert one.violation == pytest.approx(outcome.cost, abs=1e-9)
        assert sum(instance.violation for instance in one.instances) == pytest.approx(outcome.cost, rel=1e-9, abs=1e-7)
        for instance in one.instances:
            broken += 1
            active = [branch for branch in instance.branches if branch.active]
            if active and "smooth" not in text:
                assert active[0].parts == pytest.approx(instance.parts)
            assert bool(active) == bool(instance.branches)
            if instance.mend is not None and "q(" not in instance.mend.entry:
                mended += 1
                (after,) = Reference(text, put(read, instance.mend)).violations()
                assert after.cost == pytest.approx(instance.mend.left, abs=1e-9)
                if len(one.instances) == 1:
                    assert after.cost <= 1e-9
    assert broken > 10
    assert mended > 0.25 * broken
