"""How a rule's term enters the objective, and what has no sound estimator."""
