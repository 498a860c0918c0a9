"""`asrppl repl`."""
