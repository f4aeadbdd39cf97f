"""The `tropism` command: its group, its global options, and how errors look."""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path

import click

from tropism import __version__
from tropism.core.errors import TropismError
from tropism.entrypoints.cli.alerts import alerts
from tropism.entrypoints.cli.decisions import decisions
from tropism.entrypoints.cli.doctor import doctor
from tropism.entrypoints.cli.experiments import experiments
from tropism.entrypoints.cli.features import features
from tropism.entrypoints.cli.flags import flags
from tropism.entrypoints.cli.governance import approve, card, delete, gates, level, levels, retire, review
from tropism.entrypoints.cli.health import health
from tropism.entrypoints.cli.history import history
from tropism.entrypoints.cli.import_model import import_model
from tropism.entrypoints.cli.importance import importance
from tropism.entrypoints.cli.lineage import lineage
from tropism.entrypoints.cli.models import models, promote, release, rollback
from tropism.entrypoints.cli.monitor import monitor
from tropism.entrypoints.cli.optimise import bundle, optimise
from tropism.entrypoints.cli.process import run
from tropism.entrypoints.cli.project import apply, init
from tropism.entrypoints.cli.replay import demo, replay
from tropism.entrypoints.cli.run import down, status, up
from tropism.entrypoints.cli.runs import runs
from tropism.entrypoints.cli.score import score
from tropism.entrypoints.cli.streams import streams
from tropism.entrypoints.cli.train import train

_EPILOG = """\b
First steps:
  tropism demo                 watch a model decay and be replaced, on real data
  tropism init my-project      make a project folder
  tropism -C my-project up     serve it
"""


_SECTIONS: dict[str, tuple[click.Command, ...]] = {
    "See it work": (demo, replay),
    "A project": (init, apply, up, down, status, run, doctor),
    "Models": (train, runs, models, history, card, lineage, importance, optimise, bundle, import_model, score),
    "Decisions": (decisions, experiments, flags, approve, promote, rollback, release),
    "Levels": (levels, gates, level, review, retire, delete),
    "Features": (features, streams),
    "Watching": (monitor, health, alerts),
}
_WIDEST = max(len(one.name or "") for each in _SECTIONS.values() for one in each)


class _Sections(click.Group):
    """Lists the commands by what they are about."""

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, commands in _SECTIONS.items():
            room = formatter.width - 6 - _WIDEST
            with formatter.section(title):
                formatter.write_dl(
                    [((one.name or "").ljust(_WIDEST), one.get_short_help_str(room)) for one in commands]
                )


@click.group(
    cls=_Sections,
    epilog=_EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="tropism")
@click.option(
    "-C", "--project", default=".", type=click.Path(path_type=Path), help="Project folder (default: this folder)."
)
@click.option("--debug", is_flag=True, help="Show a traceback when something goes wrong.")
@click.pass_context
def cli(context: click.Context, project: Path, debug: bool) -> None:
    """Serve models, learn how their predictions turned out, replace them only on evidence.

    Shell completion: eval "$(_TROPISM_COMPLETE=bash_source tropism)" (or zsh_source, fish_source).
    """
    context.obj = project
    context.meta["debug"] = debug


for _command in (one for each in _SECTIONS.values() for one in each):
    cli.add_command(_command)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit status. Errors are a few plain lines on standard error."""
    os.environ.setdefault("DO_NOT_TRACK", "true")
    words = sys.argv[1:] if arguments is None else arguments
    debug = "--debug" in words
    try:
        result = cli.main(args=words, prog_name="tropism", standalone_mode=False)
    except BrokenPipeError:  # whoever read our output has seen enough, as in `tropism decisions | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except click.exceptions.Abort:
        click.echo("stopped", err=True)
        return 130
    except click.ClickException as error:
        error.show()
        if isinstance(error, click.NoSuchOption) and error.option_name in ("-C", "--project", "--debug"):
            click.echo("Write it before the command: tropism -C FOLDER status", err=True)
        return error.exit_code
    except TropismError as error:
        if debug:
            traceback.print_exc()
        click.echo(f"{click.style('error', fg='red', bold=True)} [{error.code}] {error}", err=True)
        return 1
    except UnicodeEncodeError as error:
        if debug:
            traceback.print_exc()
        text = error.object[:100].encode(errors="backslashreplace").decode()
        click.echo(f"error [invalid-input] a text is not UTF-8\n  text: got {text}; write it in UTF-8", err=True)
        return 1
    except Exception as error:  # noqa: BLE001 - a person gets a sentence, whatever happened
        if debug:
            traceback.print_exc()
        name = type(error).__name__
        click.echo(f"{click.style('error', fg='red', bold=True)} [internal] {name}: {error}", err=True)
        click.echo(
            "  This is a defect of Tropism. Run it again with `tropism --debug ...` and report what it prints.",
            err=True,
        )
        return 70
    return result if isinstance(result, int) else 0
