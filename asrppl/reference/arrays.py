"""What a rule reads by index: which entry, whether it is there, and what index variables run over."""

import itertools
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from asrppl.reference.names import Names, Scope, Variable, children
from asrppl.reference.values import Plain, entry
from asrppl.syntax import ast


@dataclass(frozen=True)
class Array:
    """A given name, or constants in brackets, with indices, each with the scope that it is read in.

    ``length`` stands for both where the probabilities of a law are read by value.
    """

    name: str | None
    rows: ast.Vector | None
    scope: Scope
    indices: tuple[tuple[ast.Expr, Scope], ...] = ()
    length: int | None = None


@dataclass(frozen=True)
class Access:
    """An array that an expression reads; ``nested`` in the guard of a binder further in, or for all data."""

    array: Array
    nested: bool
    everywhere: bool = False


class Arrays(Names, ABC):
    """Accesses of a file's expressions."""

    @abstractmethod
    def term(self, expr: ast.Expr, scope: Scope) -> Plain | None:
        """Return the value of a term; None where it is undefined."""

    @abstractmethod
    def law_length(self, expr: ast.Expr, scope: Scope) -> int | None:
        """Return how many values a distribution has that takes 0, 1, 2, …; None of anything else."""

    # ---- entries

    def array(self, expr: ast.Expr, scope: Scope) -> Array | None:
        """Return what is indexed, with its indices; None where ``expr`` is no array."""
        expr, scope = self.unfold(expr, scope)
        match expr:
            case ast.Name() if expr.text not in scope.names and expr.text in self.values:
                return Array(expr.text, None, scope)
            case ast.Vector():
                return Array(None, expr, scope)
            case ast.Index():
                base = self.array(expr.base, scope)
                if base is None:
                    return None
                indices = (*base.indices, *((index, scope) for index in expr.indices))
                return Array(base.name, base.rows, base.scope, indices)
            case _:
                return None

    def lengths(self, array: Array) -> tuple[int, ...]:
        """Return the lengths of all axes of an array, whatever its indices."""
        if array.length is not None:
            return (array.length,)
        if array.name is not None:
            return self.values[array.name].axes
        found: list[int] = []
        row: ast.Expr | None = array.rows
        while isinstance(row, ast.Vector):
            found.append(len(row.items))
            row = row.items[0]
        return tuple(found)

    def place(self, array: Array) -> tuple[int, ...] | None:
        """Return which entry the indices name; None where it is absent, or outside an axis."""
        place = self._inside_axes(array)
        mask = self.values[array.name].mask if array.name is not None else None
        return None if place is None or (mask is not None and not entry(mask, place)) else place

    def _inside_axes(self, array: Array) -> tuple[int, ...] | None:
        place: list[int] = []
        for (expr, scope), length in zip(array.indices, self.lengths(array), strict=False):
            index = self.term(expr, scope)
            if index is None or not 0 <= index < length:
                return None
            place.append(int(index))
        return tuple(place)

    # ---- what an expression reads

    def accesses(self, expr: ast.Expr, scope: Scope, nested: bool = False) -> Iterator[Access]:
        """Yield all that is read, with fresh variables for what is bound inside."""
        expr, scope = self.unfold(expr, scope)
        match expr:
            case ast.Quantified() | ast.Reduced() | ast.Count():
                inner, _ = scope.bind(expr.binder.names)
                yield from self.accesses(expr.body, inner, nested)
                if expr.binder.domain is not None:
                    yield from self.accesses(expr.binder.domain, scope, True)
                if expr.binder.where is not None:
                    yield from self.accesses(expr.binder.where, inner, True)
                return
            case ast.Call(function=ast.Name(text="len")):
                return
            case ast.Call(function=ast.Name(text="aggregate")) | ast.Restricted():
                for part in children(expr):
                    yield from (replace(use, everywhere=True) for use in self.accesses(part, scope, nested))
                return
            case ast.Name() | ast.Index():
                array = self.array(expr, scope)
                if array is not None:
                    yield Access(array, nested)
                    for index, index_scope in array.indices:
                        yield from self.accesses(index, index_scope, nested)
                    return
                length = self.law_length(expr.base, scope) if isinstance(expr, ast.Index) else None
                if isinstance(expr, ast.Index) and length is not None:
                    # An index without a domain runs over the values of `q(n)[k]`, but none is skipped outside of
                    # them: as of what a guard further in reads, the probability there is 0.
                    yield Access(Array(None, None, scope, ((expr.indices[0], scope),), length), True)
            case _:
                pass
        for part in children(expr):
            yield from self.accesses(part, scope, nested)

    def variables(self, expr: ast.Expr, scope: Scope) -> set[Variable]:
        """Return the index variables of an enclosing scope that an expression reads."""
        expr, scope = self.unfold(expr, scope)
        match expr:
            case ast.Name():
                bound = scope.names.get(expr.text)
                return {bound} if isinstance(bound, Variable) else set()
            case ast.Quantified() | ast.Reduced() | ast.Count():
                inner, own = scope.bind(expr.binder.names)
                found = self.variables(expr.body, inner)
                for part in (expr.binder.domain, expr.binder.where):
                    found |= self.variables(part, inner) if part is not None else set()
                return found - set(own)
            case _:
                return {variable for part in children(expr) for variable in self.variables(part, scope)}

    def innermost(self, indices: Iterable[tuple[ast.Expr, Scope]]) -> Variable | None:
        """Return the index variable bound last of those in the indices: the access is by it."""
        found = {variable for index, scope in indices for variable in self.variables(index, scope)}
        return max(found, key=lambda variable: variable.depth, default=None)

    def constant(self, expr: ast.Expr, scope: Scope) -> bool:
        """Whether an expression reads neither values nor index variables (lengths are constant)."""
        expr, scope = self.unfold(expr, scope)
        match expr:
            case ast.Name():
                return expr.text not in scope.names and expr.text not in self.values
            case ast.Call(function=ast.Name(text="len")):
                return True
            case ast.Call(function=ast.Name(text=name)) if name in self.values:
                return False
            case ast.Quantified() | ast.Reduced() | ast.Count():
                return False
            case _:
                return all(self.constant(part, scope) for part in children(expr))

    def offset(self, expr: ast.Expr, scope: Scope) -> tuple[Variable, int] | None:
        """Return an index as a variable and what is added to it; None where it is something else."""
        expr, scope = self.unfold(expr, scope)
        match expr:
            case ast.Name():
                bound = scope.names.get(expr.text)
                return (bound, 0) if isinstance(bound, Variable) else None
            case ast.Binary(operator="+" | "-"):
                first, second = expr.left, expr.right
                if expr.operator == "+" and self.constant(first, scope):
                    first, second = second, first
                found = self.offset(first, scope)
                if found is None or not self.constant(second, scope):
                    return None
                added = self.term(second, scope)
                if added is None or added != int(added):
                    return None
                return found[0], found[1] + int(added) * (1 if expr.operator == "+" else -1)
            case _:
                return None

    # ---- what index variables run over

    def grid(self, binder: ast.Binder, body: ast.Expr, scope: Scope) -> Iterator[Scope]:
        """Yield the scope with each combination of index values in turn, whatever the binder's guard says.

        Left out are those whose own access is not there: one by the binder's variables, in the body or in the
        binder's guard, to an absent entry or outside the axis that they index. (In the guard of a binder further in,
        what is outside makes only that guard false.)
        """
        inner, variables = scope.bind(binder.names)
        uses = list(self.accesses(body, inner))
        guards = list(self.accesses(binder.where, inner)) if binder.where is not None else []
        ranges = [self._range(binder, variable, uses, guards, scope) for variable in variables]
        for values in itertools.product(*ranges):
            for variable, value in zip(variables, values, strict=True):
                variable.value = value
            if all(self._there(use, variables) for use in (*uses, *guards)):
                yield inner

    def _there(self, use: Access, variables: list[Variable]) -> bool:
        """Whether what the variables access is there; what others do, a comparison looks to when it reads it."""
        inside = True
        for index, length in zip(use.array.indices, self.lengths(use.array), strict=False):
            if self.innermost((index,)) in variables:
                at = self.term(*index)
                inside = inside and at is not None and 0 <= at < length
        if not inside:
            return use.nested
        name = use.array.name
        if use.everywhere:  # what is absent here may be there for other data
            return True
        if name is None or self.values[name].mask is None or self.innermost(use.array.indices) not in variables:
            return True
        place = self._inside_axes(use.array)
        return place is None or bool(entry(self.values[name].mask, place))

    def varying(self, binder: ast.Binder, scope: Scope) -> tuple[ast.Range, Scope] | None:
        """Return the range of a binder whose ends are no constants: it is a part of the guard."""
        if binder.domain is None:
            return None
        domain, scope = self.unfold(binder.domain, scope)
        return (domain, scope) if isinstance(domain, ast.Range) and not self.constant(domain, scope) else None

    def _range(
        self, binder: ast.Binder, variable: Variable, uses: list[Access], guards: list[Access], scope: Scope
    ) -> list[int]:
        if binder.domain is not None and self.varying(binder, scope) is None:
            return [int(value) for value in self.elements(binder.domain, scope)]
        inside = self._inside(variable, [use for use in uses if not use.nested])
        # Where the body has no access by the variable, those in guards decide.
        return inside if inside is not None else self._inside(variable, [*uses, *guards]) or []

    def _inside(self, variable: Variable, uses: list[Access]) -> list[int] | None:
        low: list[int] = []
        high: list[int] = []
        for use in uses:
            for (index, scope), length in zip(use.array.indices, self.lengths(use.array), strict=False):
                found = self.offset(index, scope)
                if found is not None and found[0] is variable:
                    low.append(-found[1])
                    high.append(length - found[1])
        return list(range(max(low), min(high))) if low else None

    def elements(self, expr: ast.Expr, scope: Scope) -> list[Plain]:
        """Return the elements of a constant set or range."""
        expr, scope = self.unfold(expr, scope)
        match expr:
            case ast.SetLiteral():
                return [value for item in expr.items if (value := self.term(item, scope)) is not None]
            case ast.Range():
                low, high = self.term(expr.low, scope), self.term(expr.high, scope)
                assert low is not None
                assert high is not None
                return list(range(int(low), int(high) + 1))
            case _:
                raise ValueError(f"`{expr.span.text}` is neither a set nor a range")
