"""The registry of findings: what each code means, how bad it is, and which typed fields it carries."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Literal

Stage = Literal["syntax", "check", "bind", "infer"]


class Severity(Enum):
    """How bad a finding is: an error stops compilation, a warning does not."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Code:
    """What is known of a code.

    Args:
        code: stable, ``ASR`` and three digits.
        title: what it means, in one line.
        stage: the package that reports it.
        severity: of all its findings.
        fields: the names of the typed values that each of its findings carries.
    """

    code: str
    title: str
    stage: Stage
    severity: Severity = Severity.ERROR
    fields: tuple[str, ...] = ()


_ALL = (
    # ---- syntax
    Code("ASR001", "something stands where the grammar has no place for it", "syntax"),
    Code("ASR002", "a bracket that is never closed, closes nothing, or closes another kind", "syntax"),
    Code("ASR003", "a character that the language does not have", "syntax"),
    Code("ASR004", "an operator as other languages write it (`=` for `==`, `&&`, `!`, `**`)", "syntax"),
    Code("ASR005", "a number written in a way the language does not read, or too large", "syntax"),
    Code("ASR006", "a reserved word where a name belongs", "syntax"),
    Code("ASR007", "a missing `:` before a formula, or another sign in its place", "syntax"),
    Code("ASR008", "an `if` without its `then` or `else`", "syntax"),
    Code("ASR009", "a chain of comparisons that does not run in one direction", "syntax"),
    Code("ASR010", "a statement that starts with a sign or with a word that joins", "syntax"),
    Code("ASR011", "a rule's option that is unknown, incomplete, or given twice", "syntax"),
    Code("ASR012", "a comparison in a binder (`forall i < j`)", "syntax"),
    Code("ASR013", "a text in quotes that does not end, or that has no place there", "syntax"),
    Code("ASR014", "an expression nested too deeply", "syntax"),
    Code("ASR015", "a statement that is too long", "syntax"),
    Code("ASR016", "a file that is too long", "syntax"),
    Code("ASR017", "more errors than are shown", "syntax"),
    Code("ASR018", "a statement that ends too early", "syntax"),
    # ---- check
    Code("ASR020", "an import of a bare name, or in a text that has no folder", "check"),
    Code("ASR021", "an imported file is missing or cannot be read", "check"),
    Code("ASR022", "an import leaves the folder of its file, or is not a .asr file", "check"),
    Code("ASR023", "files import each other in a circle", "check"),
    Code("ASR024", "the rules of an imported file are left out", "check", Severity.WARNING),
    Code("ASR025", "the index of a site, or a placeholder of its pattern, does not fit", "check"),
    Code("ASR026", "a name is defined twice", "check"),
    Code("ASR027", "a built-in or standard name is redefined", "check"),
    Code("ASR028", "a binder or parameter hides another name", "check"),
    Code("ASR029", "a definition uses itself", "check"),
    Code("ASR030", "a param is no constant", "check"),
    Code("ASR031", "an override for a param that the file does not have", "check", fields=("name",)),
    Code("ASR032", "an override of the wrong type", "check"),
    Code("ASR033", "a constant is needed where something varies", "check"),
    Code("ASR034", "an option's value is out of its range", "check"),
    Code("ASR035", "a name or a call as other languages have it (`True`, `maximum(a, b)`, `all(x >= 0)`)", "check"),
    Code("ASR036", "a number stands where a formula is needed", "check"),
    Code("ASR037", "a formula stands where a number is needed", "check"),
    Code("ASR038", "something that is not a number stands where a number is needed", "check"),
    Code("ASR039", "a call with the wrong arguments", "check"),
    Code("ASR040", "a field that is not there", "check"),
    Code("ASR041", "`.size` of a box that is not a square", "check"),
    Code("ASR042", "an index that takes no whole numbers, or that training would move", "check"),
    Code("ASR043", "too many or too few indices", "check"),
    Code("ASR044", "an index falls outside its axis", "check"),
    Code("ASR045", "an index variable that indexes nothing has no domain", "check"),
    Code("ASR046", "lengths of axes under one index variable differ", "check"),
    Code("ASR047", "a domain or container of the wrong sort, or one with its ends the wrong way round", "check"),
    Code("ASR048", "a rule that never holds", "check", Severity.WARNING),
    Code("ASR049", "`!=` between reals", "check"),
    Code("ASR050", "`==` on a draw with a density never holds", "check", Severity.WARNING),
    Code("ASR051", "a divergence that is infinite", "check"),
    Code("ASR052", "a distribution is needed, or one over a finite support", "check"),
    Code("ASR053", "E, P, q or aggregate used in the wrong way", "check"),
    Code("ASR054", "aggregate of something that still varies with draws", "check"),
    Code("ASR055", "a name is never used", "check", Severity.WARNING, fields=("name",)),
    Code("ASR056", "a part of a body ignores the index", "check", Severity.WARNING),
    Code("ASR057", "a rule that cannot be violated", "check", Severity.WARNING),
    Code("ASR058", "a name expected from the guide is close to one that the file defines", "check", Severity.WARNING),
    Code("ASR059", "quantifiers nest too deep", "check"),
    Code("ASR060", "definitions expand to too much", "check"),
    Code("ASR061", "quantifiers span too many index values", "check"),
    Code("ASR062", "a name is used in two ways that exclude each other", "check"),
    Code("ASR063", "nothing gives a name that the rules read", "check"),
    Code("ASR064", "a jump in a reparameterised draw", "check"),
    Code("ASR065", "arithmetic on constants without a value", "check"),
    Code("ASR066", "a quantifier runs over no instance", "check", Severity.WARNING),
    Code("ASR067", "a value of the wrong kind: real where whole numbers are needed", "check"),
    Code("ASR068", "an unknown type of a parameter", "check"),
    Code("ASR069", "an index variable has the name of something read from the guide", "check", Severity.WARNING),
    # ---- bind
    Code("ASR070", "no value was given for a name that the rules read", "bind", fields=("name",)),
    Code("ASR071", "a value was given for a name that the rules do not read", "bind", fields=("name",)),
    Code("ASR072", "a value is not a number, an array or a tensor", "bind"),
    Code("ASR073", "a value has too few axes, or shapes do not fit together", "bind"),
    Code("ASR074", "columns or fields of a value do not make the record that the rules read", "bind"),
    Code("ASR075", "`q(name)` or `categorical(name)` was not given a distribution that rules can read", "bind"),
    Code("ASR076", "a rule file is not UTF-8 text", "bind"),
    Code("ASR077", "a function was given for a value, or a value for a function", "bind"),
    Code("ASR078", "a mean over given laws that is no sum over few states", "bind"),
    Code("ASR079", "the penalty of a `hard` rule, which has no weight", "bind"),
    Code(
        "ASR080",
        "no bind=, exposed value, site, param or family of numbered sites has a name that the rules read",
        "bind",
        fields=("name",),
    ),
    Code("ASR081", "a name was given twice", "bind"),
    Code("ASR082", "the rules define a name that hides a site", "bind"),
    Code("ASR083", "a name is a latent of the model that the guide does not draw", "bind", fields=("name",)),
    Code("ASR084", "the number of indices fits no reading of a site's plates and axes", "bind"),
    Code("ASR085", "numbered sites have gaps, or differ in shape, plates or support", "bind"),
    Code("ASR086", "columns or fields of a site do not make the record that the rules read", "bind"),
    Code("ASR087", "which plate is the data's is not clear", "bind"),
    Code("ASR088", "a plate that a rule indexes is subsampled", "bind"),
    Code(
        "ASR089",
        "`q(name)` of a site whose law is not known, or the value of what is exposed as a distribution",
        "bind",
    ),
    # ---- infer
    Code("ASR090", "the base objective is not one that a rule's term keeps its meaning in", "infer"),
    Code("ASR091", "a guide that runs the model itself (a GuideMessenger) would not see the rules' terms", "infer"),
    Code("ASR092", "a rule reads what depends on a latent that the guide does not draw", "infer"),
    Code(
        "ASR093",
        "no sound estimator: a mean over draws of what is not there in each, or a mask of parts of an event",
        "infer",
    ),
    Code(
        "ASR094",
        "a value jumps in a reparameterised draw or is cut off from it: its pathwise gradient is silently wrong",
        "infer",
    ),
    Code("ASR095", "a rule depends on draws in a way that the base objective's estimator leaves out", "infer"),
    Code("ASR096", "a violation varies over an axis that none of the plates it reads has", "infer"),
    Code("ASR097", "one rule reads plates that do not go together: indexed and not, or two on one axis", "infer"),
    Code(
        "ASR098",
        "wrong arguments: params with a parsed program, an unknown name in bind=, a file that cannot be read",
        "infer",
    ),
    Code("ASR120", "a functional that has no closed form for the law", "check"),
    Code("ASR119", "a drawn Boolean before a claim about ints", "check", Severity.WARNING),
    Code("ASR118", "a hard rule does not come to hold", "infer", Severity.WARNING),
    Code("ASR110", "the data plate has no size, and neither has `data_size=`", "infer", Severity.WARNING),
    Code("ASR115", "a rule asks nothing of most data", "infer", Severity.WARNING),
    Code("ASR117", "a violation is no number (nan)", "bind", Severity.WARNING),
    Code("ASR116", "a rule reads only data, so it trains nothing", "infer", Severity.WARNING),
    Code("ASR111", "a value outside the data plate has that plate's length", "infer", Severity.WARNING),
)

CODES: Mapping[str, Code] = MappingProxyType({code.code: code for code in _ALL})
