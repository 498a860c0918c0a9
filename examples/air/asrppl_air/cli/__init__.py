"""The commands of the paper: `asrppl air ...` and `asrppl demo`."""
