"""How good predictions are: losses, metrics with intervals, and reference predictions to compare with."""
