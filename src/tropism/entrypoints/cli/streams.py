"""`tropism streams`: events from brokers."""

from __future__ import annotations

from pathlib import Path

import click


@click.group()
def streams() -> None:
    """Take events from Redis Streams, NATS JetStream or Kafka into a stream of the project.

    Without a broker, push events over HTTP. SOURCE is a StreamSource of project.py. Its broker's address may also be
    in the settings (features.streams), or in the environment: TROPISM_STREAM_<SOURCE>. Then `tropism up` consumes it.

    \b
    tropism streams consume payments --from "redis://127.0.0.1:6379/0?stream=payments"
    tropism streams status
    """


@streams.command()
@click.argument("source")
@click.option("--from", "address", metavar="ADDRESS", help="Where the messages are; overrules the settings.")
@click.option(
    "--batch", type=click.IntRange(1, 10_000), help="Most messages at a time (default: 100, or the settings')."
)
@click.option("--wait", help="How long a batch that is not full is held back (default: 200ms, or the settings').")
@click.pass_obj
def consume(project: Path, source: str, address: str | None, batch: int | None, wait: str | None) -> None:
    """Take the messages of a broker into SOURCE until stopped.

    A message is one JSON object. It is acknowledged once it is safe in the journal. What cannot be used becomes a dead
    letter, and holds up nothing. Run it several times to share the work.

    \b
    tropism streams consume payments --from "redis://127.0.0.1:6379/0?stream=payments"
    tropism streams consume payments --from "nats://127.0.0.1:4222?stream=payments&subject=payments.*"
    tropism streams consume payments --from "kafka://127.0.0.1:9092?topic=payments"
    """
    from tropism.entrypoints.cli.run_streams import consume_stream

    consume_stream(project, source, address, batch, wait)


@streams.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def status(project: Path, as_json: bool) -> None:
    """Show how far consumers are, what is left at the broker, and dead letters.

    The broker is asked where its address is in the settings; else this is what its consumer said last.

    \b
    tropism streams status
    """
    from tropism.entrypoints.cli.run_streams import show_status

    show_status(project, as_json)


@streams.command("dead-letters")
@click.argument("source")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="Most to show.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def dead_letters(project: Path, source: str, limit: int, as_json: bool) -> None:
    """List messages of SOURCE that could not be used, newest first, with the reason.

    \b
    tropism streams dead-letters payments --limit 5
    """
    from tropism.entrypoints.cli.run_streams import list_dead_letters

    list_dead_letters(project, source, limit, as_json)
