"""The files of a new project."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tropism.core.errors import Fault, NotWritable

if TYPE_CHECKING:
    from pathlib import Path

PROJECT = '''\
"""What is predicted here. `tropism apply` (and `tropism up`) stores it; docs/tasks.md explains every field."""

from tropism import Feature, Gate, Policy, Task, Triggers

payments = Task(
    name="payments",
    kind="binary",  # or "multiclass" (then list classes), or "regression"
    target="is_fraud",
    features=(
        Feature("amount", minimum=0),
        Feature("country", type="category"),
        Feature("hour", minimum=0, maximum=23),
        Feature("new_device", type="boolean", nullable=False),
    ),
    entity="card",  # outcomes may name the entity and a time instead of a prediction id
    outcome_window="7d",  # how long the truth may take to arrive
    unanswered=False,  # what no answer means when the window closes; "exclude" leaves the prediction out
    metric="brier",  # decisions rest on it; reports show more
    learners=("lightgbm", "linear"),
    policy=Policy(
        triggers=Triggers(new_outcomes=500, decay=0.3),  # when a challenger is trained
        gate=Gate(alpha=0.05),  # chance that an equal challenger is ever promoted
        approval=False,  # True: promotions wait for `tropism promote`
    ),
)
'''
SETTINGS = """\
# Settings of this project. docs/settings.md lists all of them; every line here is a default.

[http]
port = 8700            # the public address; the control plane takes control_port
control_port = 8701

[journal]
fsync = "group"        # "os" acknowledges before the disk has it: survives kill -9, not a power cut
"""
README = """\
# {name}

    tropism up             # serve it on http://127.0.0.1:8700
    tropism status         # how its models do

Predict, and later say how it turned out:

    curl -s localhost:8700/v1/tasks/payments/predict \\
      -d '{{"features": {{"amount": 120.5, "country": "NL", "hour": 14, "new_device": false}}}}'

    curl -s localhost:8700/v1/outcomes -d '{{"prediction_id": "...", "outcome": false}}'

Until enough outcomes are known, a baseline answers and says so (`"degraded": ["no-model"]`). A prediction counts
only when its outcome window has closed, here after 7 days: `outcome_window` in project.py. To start from history
(columns: the features, the target and a time): `tropism train payments --data history.csv --time at`.
"""


def scaffold(folder: Path) -> list[Path]:
    """Write the files that are missing; the paths of those written.

    Raises:
        NotWritable: the folder cannot be written.
    """
    made = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        name = folder.resolve().name
        files = {
            "project.py": PROJECT,
            "tropism.toml": SETTINGS,
            "README.md": README.format(name=name),
            ".gitignore": ".tropism/\n",
        }
        for file, text in files.items():
            path = folder / file
            if not path.exists():
                path.write_text(text)
                made.append(path)
    except OSError as error:
        fault = Fault(str(folder), error.strerror or "", "choose a folder that you may write")
        raise NotWritable("the project cannot be written", fault) from error
    return made
