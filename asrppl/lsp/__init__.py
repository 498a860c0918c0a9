"""`asrppl lsp`: a language server. What it answers is in `asrppl.assist`; here is the protocol."""
