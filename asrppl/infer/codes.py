"""The diagnostics that attaching rules to a guide can end in."""

CODES: dict[str, str] = {
    "ASR090": "the base objective is not one that a rule's term keeps its meaning in",
    "ASR091": "a guide that runs the model itself (a GuideMessenger) would not see the rules' terms",
    "ASR092": "a rule reads what depends on a latent that the guide does not draw",
    "ASR093": "no sound estimator yet: `hard`, `E[..]`, `P[..]`, or an aggregate of draws that are not reparameterised",
    "ASR094": "a value jumps in a reparameterised draw or is cut off from it: its pathwise gradient is silently wrong",
    "ASR095": "a rule depends on draws in a way that the base objective's estimator leaves out",
    "ASR096": "a violation varies over an axis that none of the plates it reads has",
    "ASR097": "one rule reads plates that do not go together: indexed and not, or two on one axis",
    "ASR098": "wrong arguments: params with a parsed program, an unknown name in bind=, a file that cannot be read",
}
