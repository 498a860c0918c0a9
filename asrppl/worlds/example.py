"""Example worlds: one that keeps all rules, and for each rule one that breaks it alone.

Three engines in turn: all worlds, where they are finitely many; descent on the rules' own violations; z3. The first
two need torch where there is much to do, the last its package, and what is not there is left out. The reference
interpreter checks every world that is shown.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING

from asrppl.check import Checked, check_file
from asrppl.check.assumed import Lengths
from asrppl.check.params import ParamValue
from asrppl.diagnostics import AsrError, in_order
from asrppl.files import Library
from asrppl.source import Source
from asrppl.syntax import parse_file
from asrppl.worlds.enumeration import Enumerated, enumerated, smallest_conflict
from asrppl.worlds.invent import InventionError, Kinds, invent
from asrppl.worlds.invention import Invention
from asrppl.worlds.judge import Goal, Judge, World, one_by_one
from asrppl.worlds.shown import Example, Shown

if TYPE_CHECKING:
    from asrppl.worlds.batched import Compiled

MOST_WORLDS = 1_000_000
"""That are looked at, all of them; a hundredth where there is no torch to look at many at once."""


def example(
    source: Source,
    params: Mapping[str, ParamValue] | None = None,
    *,
    library: Library | None = None,
    lengths: Lengths | None = None,
    ranges: Mapping[str, tuple[float, float]] | None = None,
    kinds: Kinds | None = None,
    data: int = 1,
    seed: int = 0,
    seconds: float = 15.0,
) -> Example:
    """Return worlds for a file's rules.

    Args:
        source: the rules.
        params: in place of those that the rules give.
        library: where imports are looked up.
        lengths: of axes, as for `asrppl explain --lengths`: by name of an array or an index.
        ranges: of numbers, by name, in place of what the rules mention.
        kinds: of numbers whose kind the rules leave open, in place of what they look like.
        data: how many data a world has.
        seed: of the starts.
        seconds: that z3 has for one question.

    Raises:
        AsrError: the rules have errors, or the lengths do not fit them.
        InventionError: no world can be made up for them.
    """
    parsed = parse_file(source)
    params = dict(params or {})
    checked = check_file(parsed.file, params, library=library)
    if parsed.diagnostics or checked.failed:
        raise AsrError(in_order((*parsed.diagnostics, *checked.diagnostics)))
    known = {name: value for name, value in checked.params.items() if name in params}
    made = invent(checked, lengths or {}, data, ranges, kinds)
    search = _Search(source, checked, made, known, library, seed, seconds)
    try:
        return search.example()
    except NotImplementedError as error:
        raise InventionError(f"the reference interpreter cannot tell: {error}") from error


@dataclass(slots=True)
class _Search:
    source: Source
    checked: Checked
    invention: Invention
    params: Mapping[str, object]
    library: Library | None
    seed: int
    seconds: float
    judge: Judge = field(init=False)
    goals: list[Goal] = field(init=False)
    found: dict[Goal, tuple[World, str]] = field(default_factory=dict["Goal", "tuple[World, str]"])
    nearest: dict[Goal, World] = field(default_factory=dict["Goal", "World"])
    tried: dict[Goal, list[str]] = field(default_factory=dict["Goal", "list[str]"])
    proved: set[Goal] = field(default_factory=set["Goal"])
    conflict: tuple[tuple[int, ...], bool] = ((), True)

    def __post_init__(self) -> None:
        self.judge = Judge(self.source, self.checked, self.invention, self.params, self.library)
        self.goals = [Goal(), *map(Goal, range(len(self.checked.rules)))]
        self.tried = {goal: [] for goal in self.goals}

    def example(self) -> Example:
        compiled = self._compiled()
        finite = self.invention.worlds <= (MOST_WORLDS if compiled is not None else MOST_WORLDS // 100)
        if finite:
            self._enumerate(compiled)
        continuous = any(one.what in ("real", "side", "law") for one in self.invention.unknowns)
        if self._open() and compiled is not None and (continuous or not finite):
            self._descend(compiled)
        if self._open():
            self._solve()
        names = [rule.name for rule in self.checked.rules]
        keeps, *breaks = (self._shown(goal, names) for goal in self.goals)
        chosen, smallest = self.conflict
        conflict = tuple(names[at] for at in chosen)
        boxes = tuple(name for name, use in self.checked.free.items() if use.shape == "box")
        return Example(keeps, tuple(breaks), tuple(self.invention.said), self.invention.data, boxes, conflict, smallest)

    def _open(self) -> list[Goal]:
        return [goal for goal in self.goals if goal not in self.found and goal not in self.proved]

    def _compiled(self) -> "Compiled | None":
        if find_spec("torch") is None:
            return None
        from asrppl.program import Program
        from asrppl.worlds.batched import Compiled

        given = {name: value for name, value in self.params.items()}
        return Compiled(Program(self.source, given, library=self.library), self.invention)  # pyright: ignore

    def _take(self, goal: Goal, worlds: Sequence[World], how: str) -> None:
        """Keep the first of the worlds that is one in the eyes of the interpreter."""
        for world in worlds:
            judged = self.judge.rounded(world, goal)
            if judged is not None:
                self.found[goal] = judged, how
                return

    # ---- engines

    def _enumerate(self, compiled: "Compiled | None") -> None:
        came = enumerated(self.invention, self.goals, one_by_one(self.judge) if compiled is None else compiled.of)
        for goal, world in came.found.items():
            self._take(goal, [world], "enumeration")
        if came.best is not None:
            self.nearest[Goal()] = came.best[0]
        for goal in self._open():
            all_of_them = f"none among all {came.count:,} worlds" if came.count > 1 else "the rules read nothing"
            self.tried[goal].append(all_of_them)
        # Laws have others than were listed, and ints and reals go on beyond their ranges.
        if self._open() and all(one.what == "bool" for one in self.invention.unknowns):
            self._prove_by(came)

    def _prove_by(self, came: Enumerated) -> None:
        self.proved |= set(self._open())
        chosen = smallest_conflict(len(self.checked.rules), came.kept)
        if chosen is not None:
            self.conflict = chosen, True

    def _descend(self, compiled: "Compiled") -> None:
        from asrppl.worlds.descent import STARTS, descended

        goals = self._open()
        came = descended(self.invention, goals, compiled, self.seed)
        for goal in goals:
            self._take(goal, came.found[goal], "descent")
            self.nearest[goal] = came.best[goal]
            if goal not in self.found:
                self.tried[goal].append(f"none found in {STARTS} starts")

    def _solve(self) -> None:
        if find_spec("z3") is None:
            for goal in self._open():
                self.tried[goal].append("z3 might know, and is not installed: pip install 'asrppl[solve]'")
            return
        from asrppl.worlds.solving import Solver
        from asrppl.worlds.symbolic import Untranslatable

        try:
            solver = Solver(
                self.source, self.checked, self.invention, self.params, self.library, self.seed, self.seconds
            )
        except Untranslatable as error:
            for goal in self._open():
                self.tried[goal].append(f"z3 is not asked: {error}")
            return
        for goal in self._open():
            came = solver.solve(goal)
            if came.world is not None:
                self._take(goal, [came.world], "z3")
            if came.proved:
                self.proved.add(goal)
                self.tried[goal] = ["z3 proves that there is none"]
            elif goal not in self.found:
                self.tried[goal].append(came.problem or "what z3 found does not do in floating point")
        if Goal() in self.proved:
            self.conflict = solver.conflict()

    def _shown(self, goal: Goal, names: Sequence[str]) -> Shown:
        rule = "" if goal.broken is None else names[goal.broken]
        if goal in self.found:
            world, how = self.found[goal]
            costs = dict(zip(names, self.judge.costs(world), strict=True))
            return Shown(rule, self.invention.values(world), costs, how)
        nearest = self.nearest.get(goal)
        costs = dict(zip(names, self.judge.costs(nearest), strict=True)) if nearest is not None else {}
        how = "; ".join(self.tried[goal]) or "nothing looked for it"
        values = self.invention.values(nearest) if nearest is not None else None
        return Shown(rule, None, costs, how, goal in self.proved, values)
