"""Typed programs as text, close to the language, for people and for tests."""

from asrppl.core.rules import TypedProgram
from asrppl.core.typed import (
    AggregateDistribution,
    AggregateTerm,
    Apply,
    AtLeast,
    AtMost,
    Atom,
    BinaryTerm,
    CategoricalOf,
    Choose,
    Complement,
    Conjunction,
    Constant,
    Cost,
    CountProbability,
    CountTerm,
    Differ,
    Disjunction,
    Distribution,
    Equal,
    Erroneous,
    Every,
    Expectation,
    ExpectedDistribution,
    Formula,
    Functional,
    Index,
    IndexValue,
    Offset,
    Parametric,
    PointMass,
    Populated,
    Posterior,
    Probability,
    Read,
    Reduction,
    Some,
    Table,
    Term,
    TruthValue,
    Unary,
    UniformOver,
    Variable,
)


def show_program(program: TypedProgram) -> str:
    """Return one line a rule: its name, what it varies with, and its formula."""
    lines: list[str] = []
    for rule in program.rules:
        levels = "".join(sorted(level.value for level in rule.levels))
        lines.append(f"{rule.name} [{levels}]: {show_formula(rule.formula)}")
    return "\n".join(lines)


def _number(value: float) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value:g}"


def _offset(offset: Offset) -> str:
    if offset.variable is None:
        return str(offset.add)
    sign = "" if offset.add == 0 else f" + {offset.add}" if offset.add > 0 else f" - {-offset.add}"
    return offset.variable.name + sign


def _index(index: Index) -> str:
    return _offset(index) if isinstance(index, Offset) else show_term(index.term)


def _entry(name: str, indices: tuple[Index, ...]) -> str:
    return f"{name}[{', '.join(map(_index, indices))}]" if indices else name


def _variables(variables: tuple[Variable, ...]) -> str:
    return ", ".join(f"{variable.name} in {_values(variable.values)}" for variable in variables)


def _values(values: tuple[int, ...]) -> str:
    if len(values) > 1 and values == tuple(range(values[0], values[-1] + 1)):
        return f"{values[0]}..{values[-1]}"
    return "{" + ", ".join(map(str, values)) + "}"


def show_term(term: Term) -> str:
    """Return a term as text."""
    match term:
        case Constant():
            return _number(term.value)
        case IndexValue():
            return term.variable.name
        case Read():
            return _entry(term.name, term.indices) + (f".{term.component}" if term.component is not None else "")
        case Table():
            return _entry("{" + ", ".join(map(_number, term.values)) + "}", term.indices)
        case Erroneous():
            return "<error>"
        case Unary():
            operand = show_term(term.operand)
            return f"-{operand}" if term.operator == "neg" else f"{term.operator}({operand})"
        case BinaryTerm(operator="min" | "max" | "mod"):
            return f"{term.operator}({show_term(term.left)}, {show_term(term.right)})"
        case BinaryTerm():
            return f"({show_term(term.left)} {term.operator} {show_term(term.right)})"
        case Choose():
            condition = show_formula(term.condition)
            return f"(if {condition} then {show_term(term.then)} else {show_term(term.otherwise)})"
        case Reduction():
            where = f" where {show_formula(term.guard)}" if term.guard is not None else ""
            return f"({term.reduction} {_variables(term.variables)}{where}: {show_term(term.body)})"
        case CountTerm():
            return f"(count {_variables(term.variables)}: {show_formula(term.body)})"
        case CountProbability():
            each = f"{_variables(term.variables)}: {show_term(term.body)}"
            return f"(probability that {_offset(term.at)} count, {each})"
        case Apply():
            return f"{term.function}({', '.join(map(show_term, term.arguments))})"
        case Functional():
            shown = " || ".join(map(show_distribution, term.distributions))
            if term.functional == "mass" and term.at is not None:
                return f"{shown}[{show_term(term.at)}]"
            at = f", {show_term(term.at)}" if term.at is not None else ""
            return f"{term.functional}({shown}{at})"
        case Expectation():
            return f"E[{show_term(term.body)}]"
        case Probability():
            return f"P[{show_formula(term.body)}]"
        case Cost():
            return f"cost({show_formula(term.body)})"
        case AggregateTerm():
            where = f" where {show_formula(term.where)}" if term.where is not None else ""
            return f"aggregate({show_term(term.body)}{where})"


def show_distribution(distribution: Distribution) -> str:
    """Return a distribution as text."""
    match distribution:
        case Posterior():
            return f"q({_entry(distribution.name, distribution.indices)})"
        case Parametric():
            name = ".".join((distribution.law.family.lower(), *distribution.law.transforms))
            return f"{name}({', '.join(map(show_term, distribution.parameters))})"
        case PointMass():
            at = _offset(distribution.at) if isinstance(distribution.at, Offset) else _number(distribution.at)
            return f"delta({at})"
        case UniformOver():
            return f"uniform({{{', '.join(map(_number, distribution.support))}}})"
        case CategoricalOf():
            return f"categorical({_entry(distribution.name, distribution.indices)})"
        case AggregateDistribution():
            where = f" where {show_formula(distribution.where)}" if distribution.where is not None else ""
            return f"aggregate({show_distribution(distribution.body)}{where})"
        case ExpectedDistribution():
            return f"E[{show_distribution(distribution.body)}]"


def show_formula(formula: Formula) -> str:
    """Return a formula as text; a comparison that is not graded is in brackets, ⟨discrete⟩ or ⟪decided⟫."""
    match formula:
        case TruthValue():
            return "true" if formula.value else "false"
        case AtMost():
            text = f"{show_term(formula.left)} {'<' if formula.strict else '<='} {show_term(formula.right)}"
            return _atom(formula, text)
        case Equal():
            return _atom(formula, f"{show_term(formula.left)} == {show_term(formula.right)}")
        case Differ():
            return _atom(formula, f"{show_term(formula.left)} != {show_term(formula.right)}")
        case Complement():
            return f"not {show_formula(formula.body)}"
        case Populated():
            return f"any datum ({show_formula(formula.body)})"
        case Conjunction():
            return "(" + " and ".join(map(show_formula, formula.operands)) + ")"
        case Disjunction():
            return "(" + " or ".join(map(show_formula, formula.operands)) + ")"
        case Every():
            return f"(forall {_bound(formula)}: {show_formula(formula.body)})"
        case Some():
            return f"(exists {_bound(formula)}: {show_formula(formula.body)})"
        case AtLeast():
            operator = "<=" if formula.upper else ">="
            counted = f"(count {_bound(formula)}: {show_formula(formula.counted)})"
            return f"{counted} {operator} {show_term(formula.bound)}"


def _bound(formula: Every | Some | AtLeast) -> str:
    parts = [_variables(formula.variables)] if formula.variables else []
    if formula.present is not None:
        parts.append(f"present {show_formula(formula.present)}")
    if formula.guard is not None:
        parts.append(f"where {show_formula(formula.guard)}")
    return " ".join(parts)


def _atom(atom: Atom, text: str) -> str:
    if atom.defined is not None:
        text = f"{text} if {show_formula(atom.defined)}"
    return {"decided": f"⟪{text}⟫", "discrete": f"⟨{text}⟩", "graded": text}[atom.part]
