"""Terms: the numbers that a rule reads, or None where one is undefined."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from asrppl.diagnostics import AsrError, Diagnostic
from asrppl.reference import arithmetic
from asrppl.reference.laws import Law, mixture, normal, of_one, of_two
from asrppl.reference.names import Scope, Variable
from asrppl.reference.sorts import Sorts
from asrppl.reference.values import Plain, entry
from asrppl.syntax import ast


class Terms(Sorts, ABC):
    """Values of a file's terms.

    Undefined are a minimum, maximum, mean or argmax over nothing, an absent entry, an entry outside its axis, and what
    is computed of these.
    """

    @abstractmethod
    def true(self, formula: ast.Expr, scope: Scope) -> bool:
        """Return whether a condition is true."""

    @abstractmethod
    def data(self) -> "Sequence[Terms]":
        """Return the interpreter of each datum that an aggregate is taken over."""

    @abstractmethod
    def passing(self, binder: ast.Binder, body: ast.Expr, scope: Scope) -> Iterator[tuple[Scope, bool]]:
        """Yield the scope with each combination of index values, and whether the binder's guard is true there."""

    def term(self, expr: ast.Expr, scope: Scope) -> Plain | None:
        """Return the value of a term; None where it is undefined."""
        expr, scope = self.unfold(expr, scope)
        match expr:
            case ast.Number() | ast.Truth():
                return expr.value
            case ast.Name() | ast.Index():
                return self._entry(expr, scope)
            case ast.Field():
                return self._field(expr, scope)
            case ast.Negate():
                a = self.term(expr.operand, scope)
                return -a if a is not None else None
            case ast.Binary():
                return self._arithmetic(expr, scope)
            case ast.Conditional():
                return self.term(expr.then if self.true(expr.condition, scope) else expr.otherwise, scope)
            case ast.Reduced():
                return self._reduced(expr, scope)
            case ast.Count():
                return sum(
                    passes and self.true(expr.body, inner)
                    for inner, passes in self.passing(expr.binder, expr.body, scope)
                )
            case ast.Call():
                return self._call(expr, scope)
            case ast.Divergence():
                return self._functional(expr.function.text, (expr.left, expr.right), scope)
            case ast.Restricted():
                return self._aggregate(expr.value, expr.where, scope)
            case _:
                raise TypeError(f"a number is needed, and `{expr.span.text}` is none")

    # ---- what is given

    def _entry(self, expr: ast.Name | ast.Index, scope: Scope) -> Plain | None:
        if isinstance(expr, ast.Name):
            bound = scope.names.get(expr.text)
            if isinstance(bound, Variable):
                return bound.value
        array = self.array(expr, scope)
        if array is None and isinstance(expr, ast.Index) and self.is_law(expr.base, scope):
            return self._functional("mass", (expr.base,), scope, expr.indices[0])
        if array is None:
            return self._unknown(expr)
        place = self.place(array)
        if place is None:
            return None
        if array.name is None:
            row: ast.Expr | None = array.rows
            for index in place:
                assert isinstance(row, ast.Vector)
                row = row.items[index]
            assert row is not None
            return self.term(row, array.scope)
        return cast(Plain, entry(self.values[array.name].value, place))

    def _unknown(self, expr: ast.Name | ast.Index) -> Plain:
        if isinstance(expr, ast.Name) and expr.text == "inf":
            return float("inf")
        if isinstance(expr, ast.Index) and isinstance(expr.base, ast.Name) and expr.base.text in ("E", "P"):
            raise NotImplementedError(f"`{expr.span.text}` needs a guide: one draw says nothing of it")
        raise AsrError([Diagnostic("ASR063", f"nothing gives `{expr.span.text}`", expr.span)])

    def _arithmetic(self, expr: ast.Binary, scope: Scope) -> Plain | None:
        spine = [expr]
        while isinstance(left := spine[-1].left, ast.Binary):  # sums nest to the left, as deep as they are long
            spine.append(left)
        a = self.term(left, scope)
        for part in reversed(spine):
            b = self.term(part.right, scope)
            a = arithmetic.binary(part.operator, a, b) if a is not None and b is not None else None
        return a

    def _field(self, expr: ast.Field, scope: Scope) -> Plain | None:
        base, scope = self.unfold(expr.base, scope)
        name = expr.name.text
        if isinstance(base, ast.Call) and base.function.text == "box":
            arguments = {a.name.text if a.name else "xywh"[at]: a.value for at, a in enumerate(base.arguments)}
            parts = {field: self.term(argument, scope) for field, argument in arguments.items()}
        else:
            array = self.array(base, scope)
            if array is None or array.name is None:
                raise TypeError(f"`{base.span.text}` has no fields")
            place = self.place(array)
            if place is None:
                return None
            parts = self._components(array.name, place)
        if name in parts:
            return parts[name]
        return _side_of_box(name, cast(Mapping[str, float], parts)) if None not in parts.values() else None

    def _components(self, name: str, place: tuple[int, ...]) -> dict[str, Plain | None]:
        given, site = self.values[name], self.sites.get(name)
        if given.fields:
            return {field: cast(Plain, entry(nested, place)) for field, nested in given.fields.items()}
        row = cast(Sequence[Plain], entry(given.value, place))
        if site is not None and site.fields is not None:
            return {field.text: value for field, value in zip(site.fields, row, strict=True)}
        return dict(zip(("x", "y", "size") if len(row) == 3 else ("x", "y", "w", "h"), row, strict=True))

    # ---- over index variables

    def _reduced(self, expr: ast.Reduced, scope: Scope) -> Plain | None:
        inner, variables = scope.bind(expr.binder.names)
        chosen: list[tuple[Plain | None, int | None]] = []
        for inner, passes in self.passing(expr.binder, expr.body, scope):
            if passes:
                variable = inner.names[variables[0].name]
                assert isinstance(variable, Variable)
                chosen.append((self.term(expr.body, inner), variable.value))
        values = [value for value, _ in chosen if value is not None]
        if len(values) < len(chosen):
            return None  # it reads what is undefined
        if expr.reduction == "argmax":
            return chosen[values.index(max(values))][1] if values else None  # the first of ties
        return arithmetic.reduce(expr.reduction, values)

    # ---- calls

    def _call(self, expr: ast.Call, scope: Scope) -> Plain | None:
        name = expr.function.text
        arguments = tuple(argument.value for argument in expr.arguments)
        bound = self.values.get(name)
        if bound is None or bound.function is None:
            match name:
                case "len":
                    return self._length(arguments[0], scope)
                case "aggregate":
                    return self._aggregate(arguments[0], None, scope)
                case "entropy" | "mean" | "var" | "sd" | "js" | "tv" | "kl":
                    return self._functional(name, arguments, scope)
                case "cdf" | "quantile":
                    return self._functional(name, arguments[:1], scope, arguments[1])
                case _:
                    pass
        values = [self.term(argument, scope) for argument in arguments]
        known = [value for value in values if value is not None]
        if len(known) < len(values):
            return None
        if bound is not None and bound.function is not None:
            return cast(Plain, bound.function(*known))
        found = arithmetic.call(name, known)
        if found is None:
            raise AsrError([Diagnostic("ASR063", f"nothing gives `{name}`", expr.function.span)])
        return found

    def _length(self, expr: ast.Expr, scope: Scope) -> int:
        array = self.array(expr, scope)
        return len(self.elements(expr, scope)) if array is None else self.lengths(array)[len(array.indices)]

    # ---- distributions and the data

    def _functional(
        self, name: str, arguments: tuple[ast.Expr, ...], scope: Scope, at: ast.Expr | None = None
    ) -> float | None:
        place = self.term(at, scope) if at is not None else 0.0
        if place is None:
            return None
        laws = [law for argument in arguments if (law := self.law(argument, scope)) is not None]
        if len(laws) < len(arguments):
            return None
        return of_one(name, laws[0], place) if len(laws) == 1 else of_two(name, laws[0], laws[1])

    def law(self, expr: ast.Expr, scope: Scope) -> Law | None:
        """Return a distribution's probabilities by value; None where it is undefined."""
        expr, scope = self.unfold(expr, scope)
        match expr:
            case ast.Call(function=ast.Name(text="q" | "categorical" as name)):
                array = self.array(expr.arguments[0].value, scope)
                assert array is not None
                assert array.name is not None
                place = self.place(array)
                if place is None:
                    return None
                if name == "q":
                    return cast(Law, entry(self.values[array.name].probs, place))
                return dict(enumerate(cast(Sequence[float], entry(self.values[array.name].value, place))))
            case ast.Call(function=ast.Name(text="normal")):
                named = {argument.name.text: argument.value for argument in expr.arguments if argument.name is not None}
                plain = [argument.value for argument in expr.arguments if argument.name is None]
                given = dict(zip(("loc", "scale"), plain, strict=False)) | named
                loc, scale = self.term(given["loc"], scope), self.term(given["scale"], scope)
                return None if loc is None or scale is None else normal(loc, scale)
            case ast.Call(function=ast.Name(text="delta")):
                at = self.term(expr.arguments[0].value, scope)
                return {at: 1.0} if at is not None else None
            case ast.Call(function=ast.Name(text="uniform")):
                items = self.elements(expr.arguments[0].value, scope)
                return {item: 1 / len(items) for item in items}
            case ast.Call(function=ast.Name(text="aggregate")):
                return self._mixture(expr.arguments[0].value, None, scope)
            case ast.Restricted():
                return self._mixture(expr.value, expr.where, scope)
            case _:
                raise NotImplementedError(f"`{expr.span.text}` is no distribution that one datum says something of")

    def _mixture(self, expr: ast.Expr, where: ast.Expr | None, scope: Scope) -> Law | None:
        members = [datum for datum in self.data() if where is None or datum.true(where, scope)]
        laws = [law for datum in members if (law := datum.law(expr, scope)) is not None]
        return mixture(laws) if laws else None

    def _aggregate(self, expr: ast.Expr, where: ast.Expr | None, scope: Scope) -> float | None:
        members = [datum for datum in self.data() if where is None or datum.true(where, scope)]
        values = [value for datum in members if (value := datum.term(expr, scope)) is not None]
        return arithmetic.reduce("mean", values)  # what is undefined for a datum leaves that datum out


def _side_of_box(name: str, parts: Mapping[str, float]) -> float:
    """Return a box's centre, side or edge from those that are given."""
    for low, high, centre, side in (("left", "right", "x", "w"), ("top", "bottom", "y", "h")):
        first, last = ("x1", "x2") if centre == "x" else ("y1", "y2")
        start, end = parts.get(low, parts.get(first)), parts.get(high, parts.get(last))
        if start is None or end is None:
            length = parts[side] if side in parts else parts["size"]
            start, end = parts[centre] - length / 2, parts[centre] + length / 2
        else:
            length = end - start
        found = {low: start, high: end, first: start, last: end, centre: (start + end) / 2, side: length}
        if name in found:
            return found[name]
    if name == "size":
        return parts["w"] if "w" in parts else _side_of_box("w", parts)
    raise KeyError(name)
