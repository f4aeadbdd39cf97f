"""The same rows as JSON and as tables give the same predictions."""

from __future__ import annotations

import asyncio
import csv
import gzip
import io
import json
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tropism.core.errors import InputError, InvalidInput, MalformedBody, MissingFeature, TooLarge, TropismError
from tropism.core.identity import task_tag
from tropism.entrypoints.api.asgi import Reply
from tropism.entrypoints.api.protocols.base import Request
from tropism.entrypoints.api.protocols.batches import answer_batch, is_batch

CSV, LINES = "text/csv", "application/x-ndjson"
PARQUET, ARROW = "application/vnd.apache.parquet", "application/vnd.apache.arrow.stream"
ROWS: list[dict[str, Any]] = [
    {"demand": 12.5, "zone": "north", "holiday": True, "entity": "a"},
    {"demand": None, "zone": "south", "holiday": False, "entity": "b"},
    {"demand": 40.0, "zone": None, "holiday": False, "entity": None},
]
SINGLE = ("prediction_id", "prediction", "version", "variant")


def body_of(kind: str, rows: list[dict[str, Any]]) -> bytes:
    table, sink = pa.Table.from_pylist(rows), pa.BufferOutputStream()
    if kind == LINES:
        return b"\n".join(json.dumps(row).encode() for row in rows)
    if kind == CSV:
        pacsv.write_csv(table, sink)
    elif kind == PARQUET:
        pq.write_table(table, sink)
    else:
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
    return bytes(sink.getvalue())


def rows_in(reply: Reply) -> list[dict[str, Any]]:
    kind = dict(reply.headers)[b"content-type"].decode().partition(";")[0]
    if kind == "application/json":
        return list(json.loads(reply.body)["predictions"])
    if kind in (LINES, "application/jsonl"):
        return [json.loads(line) for line in reply.body.splitlines()]
    if kind == PARQUET:
        return list(pq.read_table(pa.BufferReader(reply.body)).to_pylist())
    if kind == ARROW:
        return list(pa.ipc.open_stream(reply.body).read_all().to_pylist())
    found: list[dict[str, Any]] = list(csv.DictReader(io.StringIO(reply.body.decode())))
    for row in found:
        row |= {"prediction": row["prediction"] == "true", "probability": float(row["probability"])}
        row["version"] = int(row["version"])
    return found


async def ask(shop: Any, body: bytes, kind: str, task: str = "price", **headers: str) -> Reply:
    sent = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    request = Request("POST", f"/v1/tasks/{task}/predict", b"", [(b"content-type", kind.encode()), *sent], body)
    return await answer_batch(shop.core, shop.snapshot.deployment(task), request)


async def as_json(shop: Any, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    instances = [
        {"features": {name: row[name] for name in ("demand", "zone", "holiday")}, "entity": row["entity"]}
        for row in rows
    ]
    reply = await shop.core.predictions.predict("price", json.dumps({"instances": instances}).encode())
    return list(json.loads(reply)["predictions"])


@pytest.mark.parametrize("kind", [CSV, LINES, PARQUET, ARROW])
async def test_a_table_gets_what_the_same_rows_get_as_json(shop: Any, kind: str) -> None:
    wanted = await as_json(shop, ROWS)
    reply = await ask(shop, body_of(kind, ROWS), kind)
    found = rows_in(reply)
    assert reply.status == 200
    assert dict(reply.headers)[b"content-type"].decode().startswith(kind)
    assert [row["probability"] for row in found] == [row["probabilities"]["true"] for row in wanted]
    for name in ("prediction", "version", "variant"):
        assert [row[name] for row in found] == [row[name] for row in wanted]
    assert [row["warnings"] for row in found] == ["; ".join(row["warnings"]) for row in wanted]
    recorded = shop.recorded()
    before, after = recorded[:3], recorded[3:]
    assert [event.id for event in after] == [row["prediction_id"] for row in found]
    assert [(one.features, one.scores, one.entity) for one in after] == [
        (one.features, one.scores, one.entity) for one in before
    ]


async def test_a_reply_may_be_asked_for_as_json(shop: Any) -> None:
    reply = await ask(shop, body_of(CSV, ROWS), CSV, accept="application/json")
    wanted = await as_json(shop, ROWS)
    found = rows_in(reply)
    assert [{**row, "prediction_id": ""} for row in found] == [{**row, "prediction_id": ""} for row in wanted]


async def test_a_reply_may_be_asked_for_in_another_format(shop: Any) -> None:
    reply = await ask(shop, body_of(CSV, ROWS), CSV, accept=f"text/html, {PARQUET};q=0.9, */*;q=0.1")
    assert [row["version"] for row in rows_in(reply)] == [4, 4, 4]
    assert dict(reply.headers)[b"content-type"].decode() == PARQUET


async def test_classes_have_a_column_each(shop: Any) -> None:
    reply = await ask(shop, b"hue,depth\n0.5,0.25\n2,0.75\n", CSV, "colour")
    first, second = csv.DictReader(io.StringIO(reply.body.decode()))
    assert (first["prediction"], second["prediction"]) == ("red", "blue")
    chances = [float(first[f"probability_{name}"]) for name in ("red", "green", "blue")]
    assert chances == [0.75, 0.0, 0.25]


async def test_what_answered_instead_of_the_champion_is_said(shop: Any) -> None:
    reply = await ask(shop, b"size\n3\n", CSV, "amount")
    (row,) = csv.DictReader(io.StringIO(reply.body.decode()))
    assert (row["prediction"], row["version"], row["variant"], row["degraded"]) == ("7.5", "0", "baseline", "no-model")


async def test_a_compressed_table_is_unpacked(shop: Any) -> None:
    reply = await ask(shop, gzip.compress(body_of(CSV, ROWS)), CSV, content_encoding="gzip")
    assert len(rows_in(reply)) == 3


async def test_a_prediction_id_of_the_callers_is_kept(shop: Any) -> None:
    mine = shop.identifiers.new(shop.clock.now(), task_tag("price"))
    reply = await ask(shop, f"demand,zone,prediction_id\n1,north,{mine}\n".encode(), CSV)
    assert rows_in(reply)[0]["prediction_id"] == mine
    assert shop.recorded()[0].id == mine


@pytest.mark.parametrize(
    "kind", ["application/xml", "image/png", "multipart/form-data; boundary=x", "text/csv; charset=utf-16"]
)
async def test_another_content_type_is_refused_with_those_that_are_read(shop: Any, kind: str) -> None:
    reply = await ask(shop, b"demand,zone\n1,north\n", kind)
    content = json.loads(reply.body)
    assert (reply.status, content["status"], content["code"]) == (415, 415, "input-error")
    assert all(known in content["faults"][0]["fix"] for known in (CSV, "application/jsonl", PARQUET, ARROW))
    assert not shop.recorded()


async def test_a_reply_that_cannot_be_written_is_refused_before_anything_is_scored(shop: Any) -> None:
    reply = await ask(shop, body_of(CSV, ROWS), CSV, accept="image/png")
    assert (reply.status, json.loads(reply.body)["faults"][0]["field"]) == (406, "accept")
    assert not shop.recorded()


@pytest.mark.parametrize(
    ("body", "kind", "error"),
    [
        (b"", CSV, MalformedBody),
        (b"demand,zone\n1\n", CSV, MalformedBody),
        (b"demand,zone\nx,north\n", CSV, InvalidInput),
        (b"demand,zone\n-inf,north\n", CSV, InvalidInput),
        (b"demand,zone\n1e999,north\n", CSV, InvalidInput),
        (b"demand\n1\n", CSV, MissingFeature),
        ("demand,zone\n1,north\n".encode("utf-16"), CSV, MalformedBody),
        (b"demand,zone\n" + b"1,north\n" * 51, CSV, TooLarge),
        (b'{"demand": 1, "zone": "north"', LINES, MalformedBody),
        (b'{"demand": NaN, "zone": "north"}', LINES, MalformedBody),
        (b"[" * 5_000, LINES, MalformedBody),
        ('{"demand": 1, "zone": "north"}'.encode("utf-16"), LINES, MalformedBody),
        (b'{"demand": 1' + b"0" * 400 + b', "zone": "north"}', LINES, TropismError),
        (b"PAR1", PARQUET, MalformedBody),
        (body_of(PARQUET, ROWS)[:-9], PARQUET, MalformedBody),
        (body_of(ARROW, ROWS)[:40], ARROW, MalformedBody),
        (b"", ARROW, MalformedBody),
    ],
)
async def test_a_table_that_cannot_be_used_is_refused(
    shop: Any, body: bytes, kind: str, error: type[TropismError]
) -> None:
    with pytest.raises(error) as caught:
        await ask(shop, body, kind)
    assert isinstance(caught.value, InputError)
    assert caught.value.faults
    assert not shop.recorded()


async def test_a_full_disk_is_not_hidden(full_shop: Any) -> None:
    with pytest.raises(TropismError) as caught:
        await ask(full_shop, body_of(CSV, ROWS), CSV)
    assert caught.value.code == "disk-full"


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        (None, False),
        (b"", False),
        (b"application/json", False),
        (b"Application/JSON; charset=utf-8", False),
        (b"application/problem+json", False),
        (b"text/plain;charset=UTF-8", False),
        (b"application/x-www-form-urlencoded", False),
        (b"text/csv", True),
        (b"application/jsonl", True),
        (b"application/xml", True),
        (b"\xff\xfe", True),
    ],
)
def test_what_tools_call_json_is_json(content_type: bytes | None, expected: bool) -> None:
    assert is_batch(content_type) is expected


KINDS = st.sampled_from([CSV, LINES, PARQUET, ARROW, "application/vnd.apache.arrow.file"])
TEXTS = st.text(st.sampled_from('demand,zone\n\r"1.5-einfa{}:[]tru\0\ufeff é'), max_size=60).map(str.encode)
BODIES = st.binary(max_size=80) | TEXTS.map(lambda text: b"demand,zone\n" + text) | TEXTS


@settings(
    max_examples=200, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(body=BODIES, kind=KINDS, cut=st.integers(0, 600))
def test_no_table_is_a_failure_of_ours(shop: Any, body: bytes, kind: str, cut: int) -> None:
    whole = body_of(kind, ROWS) if kind in (PARQUET, ARROW) else b""
    try:
        reply = asyncio.run(ask(shop, whole[:cut] + body, kind))
    except InputError as error:
        assert error.faults
    else:
        assert reply.status == 200
        assert msgspec.json.encode(rows_in(reply)) if kind != CSV else reply.body
