"""`tropism import-model`: a model from elsewhere as a version of a task."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("import-model")
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--task", "model", required=True, metavar="TASK", help="The task that it becomes a version of.")
@click.option("--convert", is_flag=True, help="Run the code of a flavour that is read that way, in a process apart.")
@click.option("--python", type=click.Path(path_type=Path, exists=True, dir_okay=False), metavar="PYTHON",
              help="With --convert: an interpreter that has the model's packages, and skl2onnx or torch.")  # fmt: skip
@click.option("--timeout", type=float, default=300.0, show_default=True, metavar="SECONDS",
              help="With --convert: how long it may take, from 1 to 86400.")  # fmt: skip
@click.option("--actor", envvar="USER", default="cli", help="Who does it; goes into the audit trail.")
@click.pass_obj
def import_model(
    project: Path, folder: Path, model: str, convert: bool, python: Path | None, timeout: float, actor: str
) -> None:
    """Import FOLDER, which MLflow wrote (it has a file MLmodel), as a version of a task.

    LightGBM's text, XGBoost's own files and ONNX are read as they are. What is pickled is never loaded here: with
    --convert it is turned into ONNX by an interpreter of yours, and compared with what it was.

    \b
    tropism import-model mlruns/1/models/m-0a1b/artifacts --task payments
    tropism import-model model --task payments --convert --python .venv-model/bin/python
    """
    if convert != (python is not None):
        raise click.UsageError("--convert and --python go together: name the interpreter that runs the model's code")
    from tropism.entrypoints.cli.run_import_model import run_import

    run_import(project, folder, model, python, timeout, actor or "cli")
