"""Beside training: Lightning, logs, posterior draws. Each file works with `RegularizedELBO` alone, and is an extra."""
