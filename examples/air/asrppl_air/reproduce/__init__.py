"""The paper's tables and figures: a grid of runs, what came of them, and how it is shown."""
