"""What people ask of a rule file while they write it: what a name is, what may stand here, what it may be called.

Plain functions of a checked file, without torch and without a protocol: for the language server, for sessions and for
pages.
"""
