"""The page of the docs: which of Pyro's programs take which rules."""

from collections.abc import Iterable

from examples.pyro.compare import Case, Outcome

HAS = {
    "air.py": "`z_pres_0`, `z_pres_1`, …; masks within distributions that draws decide; learnt baselines",
    "baseball.py": "an automatic guide in place of NUTS",
    "baseball.py, AutoNormalMessenger": "a GuideMessenger",
    "baseball.py, logits": "the same; the rule speaks of what is computed of a site",
    "bayesian_regression.ipynb": "a PyroModule: sites `linear.weight`, `linear.bias`",
    "cjs.py, model 1": "states that the model enumerates in `pyro.markov`",
    "cvae.py": '`pyro.plate("data")` without a size; a prior that is a network',
    "dirichlet_process_mixture.ipynb": "stick breaking; assignments that the guide draws, by score functions",
    "dmm.py": "ragged sequences: masks within distributions; packed batches; annealing by `poutine.scale`",
    "dmm.py, a flow": "the same; laws without a closed form",
    "eight_schools/svi.py": "what is global stands in the data plate; a TransformedDistribution",
    "eight_schools/svi.py --jit": "JitTrace_ELBO",
    "gmm.ipynb": "assignments that the model enumerates; AutoDelta",
    "gmm.ipynb, full guide": "assignments that the guide enumerates; params that are blocked",
    "gp.ipynb, kernel": "priors over a kernel: site `kernel.lengthscale`; no plate",
    "gp.ipynb, sparse": "pyro.contrib.gp: a MultivariateNormal; no plate",
    "hmm.py --jit": "JitTraceEnum_ELBO",
    "hmm.py --tmc": "TraceTMC_ELBO",
    "hmm.py, model 0": "sequences in a Python loop: sites `x_0_0`, `x_0_1`, …",
    "hmm.py, model 0, ragged": "the same with sequences of other lengths",
    "hmm.py, model 1": "states that the model enumerates; masks past a sequence's length; batches",
    "hmm.py, model 4": "two chains, of which one reads the other",
    "hmm.py, model 7": "DiscreteHMM: no site for the states",
    "lda.py": "topics that the model enumerates; a Delta from a network; batches",
    "scanvi.py": "BatchNorm; an enumerated OneHotCategorical that reads draws; scaled terms",
    "sparse_gamma_def.py": "flat plates that the model reads as matrices; TraceMeanField_ELBO",
    "sparse_gamma_def.py, EasyGuide": "the same with groups of sites, each drawn at once",
    "ss_vae_M2.py": '`pyro.plate("data")` without a size; an enumerated OneHotCategorical',
    "vae.py": "a plate as long as the batch",
}
"""What is not plain in each program."""

HEAD = """# Pyro's programs, with rules

What Pyro's examples and tutorials ask of rules, program by program. Each rule stands in a file of its own
([rules](../examples/pyro/rules)), written as somebody who has that program would want it. The tests attach it to a
program of the same structure that we wrote ([programs](../examples/pyro/programs)), which is small and runs on made-up
data. **right** means that all of this holds:

- the violation is that of a computation by hand, of the same draws and params, up to 1e-6;
- so is the gradient of loss and rule, up to 1e-5 of its largest entry (not compared for air.py, whose gradient has
  score functions with learnt baselines);
- some steps of training with the rule end with a smaller violation, by hand, than as many steps without it.

A rule on what only the model enumerates is held against sums over all states; it holds of the q that pays for it
([what trains](language.md#levels)).

| program | what it has | rule | outcome |
| --- | --- | --- | --- |
"""

TAIL = """
`python -m examples.pyro --write docs/programs.md` makes this page, and a test holds that it is up to date.

## Pyro's own files, unchanged

```sh
git clone --depth 1 https://github.com/pyro-ppl/pyro
python -m examples.pyro pyro
```

attaches the same rule files to the models and guides of the originals, and makes the same comparisons (training of
air.py apart); [its page](../examples/pyro/README.md) has the figures, more of Pyro's models, and what is not tried. The
command takes model, guide and objective of a file and hands them small made-up data. It does not call the files'
`main`, since most of these download first: MNIST (air, vae, ss_vae, cvae), polyphonic music (dmm, hmm), cells (scanvi),
faces (sparse_gamma_def), players (baseball), countries (bayesian_regression).

## What to know of each kind

- **Jit objectives** (`JitTrace_ELBO` and the others) are refused (ASR090). They trace loss and gradient once, and run
  the trace ever after. What a rule costs is not one function of params and data: weights warm up, means and multipliers
  go from step to step, and a step looks at whether what a rule reads is what it was bound to. A trace would keep all
  that as it was at the first step, without a word. Use the objective without Jit.
- **GuideMessengers** (`AutoNormalMessenger`, `AutoHierarchicalNormalMessenger`, ..) are refused (ASR091). Pyro's
  objectives ask such a guide for both traces, and it runs the model that it was made with: the model with the rules'
  terms would not be run. `AutoNormal` gives laws of the same family as `AutoNormalMessenger`.
- **Some data with labels** (ss_vae, scanvi): one `regularize` serves calls with and without labels. Where the label is
  given, `q(y)` is the point mass there, and the rule costs what it costs at that; an `aggregate(..)` is over all data
  that are handed over, those with labels too. At the first call with labels a rule that reads the label alone is
  reported as one that trains nothing (ASR116): there, that is so. Where `q(y)` reads draws, as scanvi's does, an
  `aggregate` of it is written `aggregate(E[q(y)[0]])`, and that serves both kinds of calls.
- **A plate without a size**: give `regularize(.., data_size=)`, or N is the length of the batch.
- **Layers that normalise batches** see each batch once: runs of the guide besides the step's own leave them as they
  were.
- **An EasyGuide** draws its groups at once and gives sites as Deltas of that: rules on draws, `E[..]` and `P[..]` hold
  as ever, `q(w)` is refused (ASR089). So is that of a kernel's prior in pyro.contrib.gp under
  `autoguide(.., dist.Normal)`.
- **A flat plate that the model reads as a matrix**: `let w[i, j] = w_top[width * i + j]`, and give ranges to `i` and
  `j`. Within `q(..)` an index is a variable plus a constant, so rules on laws run over the flat index.
- **Gaussian processes** have no plate: N is 1, so that weights are nats in all.
- **NUTS and HMC** (baseball, eight_schools/mcmc, sir_hmc) have no objective that a rule could be put into.
"""


def code(text: str) -> str:
    """Return a rule for a cell of a table."""
    return f"`{text}`".replace("|", "\\|")


def entry(outcome: Outcome) -> str:
    """Return the row of a case."""
    return " | ".join((_of(outcome.case), _said(outcome))) + " |"


def page(entries: Iterable[str]) -> str:
    """Return the page of these rows."""
    return HEAD + "\n".join(entries) + "\n" + TAIL


def _of(case: Case) -> str:
    return f"| {case.title} | {HAS[case.title]} | {code(case.text)}"


def _said(outcome: Outcome) -> str:
    if not outcome.agrees:
        return "**wrong**"
    if outcome.refusal is None:
        return "right"
    found = outcome.refusal.diagnostics[0]
    return f"refused, {found.code}: {found.message}".replace("|", "\\|")
