from __future__ import annotations

import os
import uuid
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from tropism.core.errors import Conflict, Fault
from tropism.loop.durable.base import Json, Steps, Workflows
from tropism.loop.durable.dbos import DbosWorkflows
from tropism.loop.durable.inline import InlineWorkflows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

calls: list[str] = []


def adding(steps: Steps, key: str, argument: Json) -> Json:
    def call(name: str, value: int) -> Callable[[], Json]:
        def run() -> Json:
            calls.append(f"{key}:{name}")
            return value

        return run

    first = steps.step("first", call("first", argument["x"]))
    second = steps.step("second", call("second", first + 1))
    return {"sum": first + second}


def refusing(steps: Steps, key: str, argument: Json) -> Json:
    def refuse() -> Json:
        calls.append(key)
        raise Conflict("moved", Fault("champion", "3", "look again"))

    return steps.step("refuse", refuse)


WORKFLOWS = {"adding": adding, "refusing": refusing}


@pytest.fixture(params=["inline", "sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def workflows(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Workflows]:
    calls.clear()
    if request.param == "inline":
        yield InlineWorkflows(WORKFLOWS)
        return
    url, schema = f"sqlite:///{tmp_path}/workflows.sqlite", f"test_{uuid.uuid4().hex}"
    if request.param == "postgres":
        url = os.environ.get("TROPISM_TEST_POSTGRES", "postgresql+psycopg://root@127.0.0.1:5432/test")
        _require_postgres(url)
    engine = DbosWorkflows(WORKFLOWS, url, schema=schema)
    yield engine
    engine.close()
    if request.param == "postgres":
        _execute(url, f"DROP SCHEMA {schema} CASCADE")


def _require_postgres(url: str) -> None:
    try:
        _execute(url, "SELECT 1")
    except sa.exc.OperationalError as error:
        pytest.skip(f"PostgreSQL does not answer; set TROPISM_TEST_POSTGRES: {error.orig}")


def _execute(url: str, statement: str) -> None:
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(statement))
    engine.dispose()


def test_a_key_runs_once(workflows: Workflows) -> None:
    assert workflows.run("adding", "a", {"x": 2}) == {"sum": 5}
    assert workflows.run("adding", "a", {"x": 2}) == {"sum": 5}
    assert workflows.run("adding", "b", {"x": 3}) == {"sum": 7}
    assert calls == ["a:first", "a:second", "b:first", "b:second"]


def test_an_error_keeps_its_code_and_faults(workflows: Workflows) -> None:
    for _ in range(2):
        with pytest.raises(Conflict) as caught:
            workflows.run("refusing", "c", None)
        assert caught.value.faults == (Fault("champion", "3", "look again"),)
    assert calls == ["c"]


def test_ended_workflows_are_forgotten(workflows: Workflows) -> None:
    for number in range(5):
        workflows.run("adding", f"k{number}", {"x": number})
    workflows.forget(keep=1)
    calls.clear()
    workflows.run("adding", "k4", {"x": 4})
    assert calls == []
    workflows.run("adding", "k0", {"x": 0})
    assert calls == ["k0:first", "k0:second"]
