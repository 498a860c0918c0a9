"""Codes of the diagnostics that binding raises, with what each means."""

CODES: dict[str, str] = {
    "ASR070": "no value was given for a name that the rules read",
    "ASR071": "a value was given for a name that the rules do not read",
    "ASR072": "a value is not a number, an array or a tensor",
    "ASR073": "a value has too few axes, or shapes do not fit together",
    "ASR074": "columns or fields of a value do not make the record that the rules read",
    "ASR075": "`q(name)` or `categorical(name)` was not given a distribution over finitely many numbers",
    "ASR076": "a rule file is not UTF-8 text",
    "ASR077": "a function was given for a value, or a value for a function",
    "ASR078": "`E[..]` or `P[..]` is read where only values are given",
    "ASR079": "the penalty of a `hard` rule, which has no weight",
    "ASR080": "no bind=, exposed value, site, param or family of numbered sites has a name that the rules read",
    "ASR081": "a name was given twice",
    "ASR082": "the rules define a name that hides a site",
    "ASR083": "a name is a latent of the model that the guide does not draw",
    "ASR084": "the number of indices fits no reading of a site's plates and axes",
    "ASR085": "numbered sites have gaps, or differ in shape, plates or support",
    "ASR086": "columns or fields of a site do not make the record that the rules read",
    "ASR087": "which plate is the data's is not clear",
    "ASR088": "a plate that a rule indexes is subsampled",
    "ASR089": "`q(name)` of a site without finitely many values, or the value of what is exposed as a distribution",
}
