"""Runs of your own scripts, written straight into the project's store.

from tropism.tracking import start_run

with start_run("fraud", "two-trees") as run:
    run.log_params({"trees": 2})
    run.log_metrics({"val_loss": 0.4}, step=1)
"""

from tropism.entrypoints.tracking import ActiveRun, start_run

__all__ = ["ActiveRun", "start_run"]
