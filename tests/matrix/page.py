"""The page of the docs, made of the log."""

from typing import Any

from tests.matrix.cells import WEIGHT, Cell, cells
from tests.matrix.programs import BATCH, GUIDES, N
from tests.matrix.rules import RULES, Rule

Log = dict[str, dict[str, Any]]

INTRODUCTION = f"""# What trains, and how exactly

Every rule below, attached to every guide under `Trace_ELBO`, `TraceGraph_ELBO`, `TraceEnum_ELBO` and
`TraceMeanField_ELBO`, against closed forms. The model is z ~ Normal(0, 1) or Bernoulli(0.5) and x ~ Normal(z, 1), for
each of {N} data: all at once, with 1 and with 8 particles; in subsamples of {BATCH} that have indices; and, where the
guide is a function of the datum, in batches of {BATCH} that are handed over. Weights are {WEIGHT:g}. (Pyro's own
TraceMeanField_ELBO takes no draws that are not reparameterised.)

- **v**: by how much the violation that is reported, over some calls before training, is off in the mean: the worst of
  all objectives and ways.
- **z**: the worst z-score of the rule's gradient, likewise, over the guide's params. (A twentieth of the largest entry
  is allowed for, since cotangents are taken at means of a finite past. Of 40 or more entries, 3 is usual.)
- **gap**: how many nats a datum above the optimum training ends, with all data, with subsamples, and with batches
  handed over where there are: 1,000 or 2,000 steps, three times as many where each datum has a multiplier, and 32
  particles where draws are not reparameterised, for a score function with one trains nothing; `TraceEnum_ELBO` for
  Bernoullis and `Trace_ELBO` else. For hard rules the violation that it ends with is said too.
"""


def page(log: Log) -> str:
    """Return the page, of what is in the log."""
    parts = [INTRODUCTION]
    for binary in (False, True):
        guides = [name for name, program in GUIDES.items() if program.binary == binary]
        lines = ["| rule | of | " + " | ".join(guides) + " |", "| --- " * (len(guides) + 2) + "|"]
        for rule in RULES:
            if rule.binary == binary:
                row = [_code(rule), rule.level, *(_entry(rule, guide, log) for guide in guides)]
                lines.append("| " + " | ".join(row) + " |")
        parts.append("\n".join(lines))
    refused = {_refusal(cell, log) for cell in cells() if log.get(cell.key, {}).get("refused", "Pyro") != "Pyro"}
    if refused:
        head = "| refused | of | under | error |\n| --- | --- | --- | --- |\n"
        parts.append(head + "\n".join(sorted(refused)))
    minutes = sum(found.get("seconds", 0.0) for found in log.values()) / 60
    trained = sum("gap" in found for found in log.values())
    parts.append(
        f"`python -m tests.matrix --write docs/matrix.md` made this page: torch 2.13.0, Pyro 1.9.2, seed 0, "
        f"{minutes:.0f} minutes of\none core. It has {len(log):,} of {len(list(cells())):,} combinations, of which "
        f"{trained} of\n{sum(cell.trains for cell in cells())} are trained; the command goes on where its log ends."
    )
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _refusal(cell: Cell, log: Log) -> str:
    return f"| {_code(cell.rule)} | {cell.guide} | {cell.base} | {log[cell.key]['refused']} |"


def _code(rule: Rule) -> str:
    text = rule.text.replace("|", "\\|")
    return f"`{'hard: ' if rule.hard else ''}{text}`"


def _entry(rule: Rule, guide: str, log: Log) -> str:
    found = [log[cell.key] for cell in cells() if cell.rule is rule and cell.guide == guide and cell.key in log]
    scores = [each["z"] for each in found if "z" in each]
    if not scores:
        return "refused" if found else ""
    text = f"v {max(each['value'] for each in found if 'value' in each):.3f}, z {max(scores):.1f}"
    trained = [each for each in found if "gap" in each]
    if trained:
        text += ", gap " + " ".join(f"{max(0.0, each['gap']):.3f}" for each in trained)
    if trained and rule.hard:
        text += ", violation " + " ".join(f"{each['violation']:.3f}" for each in trained)
    return text
