"""The codes of syntax errors, one line each."""

CODES: dict[str, str] = {
    "ASR001": "something stands where the grammar has no place for it",
    "ASR002": "a bracket that is never closed, closes nothing, or closes another kind",
    "ASR003": "a character that the language does not have",
    "ASR004": "an operator as other languages write it (`=` for `==`, `&&`, `!`, `**`)",
    "ASR005": "a number written in a way the language does not read, or too large",
    "ASR006": "a reserved word where a name belongs",
    "ASR007": "a missing `:` before a formula, or another sign in its place",
    "ASR008": "an `if` without its `then` or `else`",
    "ASR009": "a chain of comparisons that does not run in one direction",
    "ASR010": "a statement that starts with a sign or with a word that joins",
    "ASR011": "a rule's option that is unknown, incomplete, or given twice",
    "ASR012": "a comparison in a binder (`forall i < j`)",
    "ASR013": "a text in quotes that does not end, or that has no place there",
    "ASR014": "an expression nested too deeply",
    "ASR015": "a statement that is too long",
    "ASR016": "a file that is too long",
    "ASR017": "more syntax errors than are shown",
    "ASR018": "a statement that ends too early",
}
