from __future__ import annotations

from pathlib import Path

import httpx
import msgspec
import pytest
from tests.unit.entrypoints.api.conftest import Plane

from tropism.core.flag import Flag, FlagRule
from tropism.experiments.flags import Flagset
from tropism.serving.flags import LiveFlags

PATH = "/ofrep/v1/evaluate/flags"
FLAGS = (
    Flag(key="beta", rules=(FlagRule(when="country == 'DE'", serve="on"),)),
    Flag(key="split", rules=(FlagRule(rollout={"on": 0.5, "off": 0.5}),)),
)
GERMAN = {"context": {"country": "DE", "targetingKey": "user-7"}}


class Control:
    """A control plane that must not be asked."""

    def __call__(self, request: httpx.Request) -> httpx.Response:
        raise AssertionError(f"{request.url} was passed on")


@pytest.fixture
def plane(tmp_path: Path) -> Plane:
    made = Plane(tmp_path / "journal")
    made.control = Control()
    give(made, *FLAGS)
    return made


def give(plane: Plane, *flags: Flag, etag: str = '"1"') -> None:
    body = msgspec.json.encode({"flags": [{"flag": one} for one in flags]})
    live = LiveFlags(1, Flagset(flags), body, etag)
    assert plane.holder.current is not None
    plane.holder.current = type(plane.holder.current)(9, plane.holder.current.deployments, flags=live)


def asking(plane: Plane) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(plane.app()), base_url="http://tropism")


async def test_the_data_plane_answers_by_itself(plane: Plane) -> None:
    async with asking(plane) as http:
        one = await http.post(f"{PATH}/beta", json=GERMAN)
        assert one.json() == {
            "key": "beta",
            "value": True,
            "variant": "on",
            "reason": "TARGETING_MATCH",
            "metadata": {"rule": "rule 1"},
        }
        assert one.headers["content-type"] == "application/json"
        everything = await http.post(PATH, json=GERMAN)
        assert [flag["key"] for flag in everything.json()["flags"]] == ["beta", "split"]
        assert everything.json()["flags"][0] == one.json()


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        (f"{PATH}/gamma", b"{}", 404, "FLAG_NOT_FOUND"),
        (f"{PATH}/a%2Fb", b"{}", 404, "FLAG_NOT_FOUND"),
        (f"{PATH}/", b"{}", 404, "FLAG_NOT_FOUND"),
        (f"{PATH}/beta", b"{", 400, "PARSE_ERROR"),
        (f"{PATH}/beta", b"\xff", 400, "PARSE_ERROR"),
        (f"{PATH}/beta", b"[]", 400, "PARSE_ERROR"),
        (f"{PATH}/beta", b'{"context": 5}', 400, "INVALID_CONTEXT"),
        (f"{PATH}/split", b"", 400, "TARGETING_KEY_MISSING"),
        (PATH, b"{", 400, "PARSE_ERROR"),
    ],
)
async def test_what_cannot_be_answered_is_told_in_the_protocols_words(
    plane: Plane, path: str, body: bytes, status: int, code: str
) -> None:
    async with asking(plane) as http:
        reply = await http.post(path, content=body)
    assert (reply.status_code, reply.json()["errorCode"]) == (status, code)
    assert reply.json()["errorDetails"]


async def test_another_method_is_refused(plane: Plane) -> None:
    async with asking(plane) as http:
        for path in (PATH, f"{PATH}/beta"):
            reply = await http.get(path)
            assert (reply.status_code, reply.headers["allow"]) == (405, "POST")
            assert "use POST" in reply.json()["errorDetails"]


async def test_who_has_the_answer_is_told_so_until_a_flag_is_changed(plane: Plane) -> None:
    async with asking(plane) as http:
        etag = (await http.post(PATH, json=GERMAN)).headers["etag"]
        known = {"if-none-match": etag}
        same = await http.post(PATH, json=GERMAN, headers=known)
        assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", etag)
        give(plane, Flag(key="beta", killed=True))
        changed = await http.post(PATH, json=GERMAN, headers=known)
        assert (changed.status_code, changed.json()["flags"][0]["reason"]) == (200, "DISABLED")


async def test_too_many_flags_for_the_event_loop_are_evaluated_beside_it(plane: Plane) -> None:
    give(plane, *(Flag(key=f"flag-{number:03}") for number in range(300)))
    async with asking(plane) as http:
        found = (await http.post(PATH)).json()["flags"]
    assert [one["key"] for one in found[:2]] == ["flag-000", "flag-001"]
    assert len(found) == 300


async def test_who_asks_too_often_is_told_when_to_come_back(plane: Plane) -> None:
    plane.settings = msgspec.structs.replace(plane.settings, rate_limit=0.001, rate_burst=1)
    async with asking(plane) as http:
        assert (await http.post(PATH, json=GERMAN)).status_code == 200
        for path in (PATH, f"{PATH}/beta"):
            refused = await http.post(path, json=GERMAN)
            assert refused.status_code == 429
            assert int(refused.headers["retry-after"]) >= 1
            assert list(refused.json()) == ["errorDetails"]
            assert "http.rate_limit" in refused.json()["errorDetails"]


async def test_other_refusals_have_the_same_form(plane: Plane) -> None:
    async with asking(plane) as http:
        large = await http.post(PATH, content=b'{"context": {"a": "%s"}}' % (b"a" * 20_000))
        assert (large.status_code, list(large.json())) == (413, ["errorDetails"])
        plane.holder.current = None
        early = await http.post(PATH, json=GERMAN)
        assert (early.status_code, list(early.json())) == (503, ["errorDetails"])
        assert early.headers["retry-after"]


async def test_what_was_given_is_counted(plane: Plane) -> None:
    async with asking(plane) as http:
        etag = (await http.post(PATH, json=GERMAN)).headers["etag"]
        await http.post(PATH, json=GERMAN, headers={"if-none-match": etag})
        await http.post(f"{PATH}/beta", json={})
        await http.post(f"{PATH}/split", json={})
        await http.post(f"{PATH}/what-a-caller-sent", json={})
        lines = (await http.get("/metrics")).text.splitlines()
    counted = sorted(line.partition("{")[2] for line in lines if line.startswith("tropism_flag_evaluations_total{"))
    split = Flagset(FLAGS).evaluate("split", GERMAN["context"], 0).variant
    assert counted == [
        'flag="beta",variant="off",reason="DEFAULT"} 1',
        'flag="beta",variant="on",reason="TARGETING_MATCH"} 1',
        'flag="split",variant="",reason="ERROR"} 1',
        f'flag="split",variant="{split}",reason="SPLIT"}} 1',
    ]
