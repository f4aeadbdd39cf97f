"""The provider against what a server sends, and both providers, ours and OFREP's own, against a live server."""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import uvicorn

from tropism.config import load_settings
from tropism.core.errors import MissingExtra, NotReady, SettingInvalid
from tropism.core.flag import Flag, FlagRule
from tropism.entrypoints.api.assembly import assembled
from tropism.entrypoints.api.control_plane import control_plane
from tropism.entrypoints.api.server import free_ports
from tropism.entrypoints.sdk.openfeature import TropismProvider
from tropism.wiring import Platform

_REASON = "pip install openfeature-sdk openfeature-provider-ofrep, to try the flags by OpenFeature"
GERMAN = FlagRule(when="country == 'DE'", serve="on")
FLAGS = (
    Flag(key="checkout", rules=(GERMAN, FlagRule(rollout={"on": 0.5, "off": 0.5}))),
    Flag(key="banner", type="string", variants={"calm": "hello"}, default="calm"),
    Flag(key="limit", type="number", variants={"low": 3}, default="low"),
    Flag(key="rate", type="number", variants={"half": 0.5}, default="half"),
    Flag(key="theme", type="json", variants={"dark": {"ink": "#fff"}}, default="dark"),
    Flag(key="old", killed=True, rules=(FlagRule(serve="on"),)),
)


@pytest.fixture
def openfeature() -> Iterator[Any]:
    """The SDK, with no provider left behind."""
    api = pytest.importorskip("openfeature.api", reason=_REASON)
    yield api
    api.clear_providers()


@pytest.fixture(params=["data plane", "control plane"])
def server(request: pytest.FixtureRequest, project: Path, platform: Platform) -> Iterator[str]:
    """The address of a live server that has the flags; of the data plane while there is no control plane."""
    for flag in FLAGS:
        platform.registry.flags.put(flag, actor="ann", now=1)
    if request.param == "control plane":
        yield from live(control_plane(platform))
        return
    with assembled(load_settings(project, environment={})) as app:
        yield from live(app)


def live(app: Any) -> Iterator[str]:
    (port,) = free_ports(1)
    made = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error", lifespan="off"))
    thread = threading.Thread(target=made.run, daemon=True)
    thread.start()
    while not made.started:
        thread.join(0.01)
    yield f"http://127.0.0.1:{port}"
    made.should_exit = True
    thread.join()


def ofrep(url: str) -> Any:
    found = pytest.importorskip("openfeature.contrib.provider.ofrep", reason=_REASON)
    return found.OFREPProvider(url)


def own(url: str) -> Any:
    return TropismProvider(url, poll=60)


@pytest.mark.parametrize("provider", [ofrep, own])
def test_openfeature_gets_every_type_of_flag(openfeature: Any, server: str, provider: Callable[[str], Any]) -> None:
    openfeature.set_provider_and_wait(provider(server))
    client = openfeature.get_client()
    context = importlib.import_module("openfeature.evaluation_context").EvaluationContext

    german = client.get_boolean_details("checkout", False, context(attributes={"country": "DE"}))
    assert (german.value, german.variant, german.reason) == (True, "on", "TARGETING_MATCH")
    split = client.get_boolean_details("checkout", False, context(targeting_key="user-7"))
    assert (split.reason, split.error_code) == ("SPLIT", None)
    assert client.get_string_value("banner", "none") == "hello"
    assert client.get_integer_value("limit", 0) == 3
    assert client.get_float_value("rate", 0.0) == 0.5
    assert client.get_object_value("theme", {}) == {"ink": "#fff"}
    killed = client.get_boolean_details("old", True)
    assert (killed.value, killed.reason) == (False, "DISABLED")


@pytest.mark.parametrize("provider", [ofrep, own])
def test_openfeature_serves_the_codes_own_default_where_a_flag_comes_to_nothing(
    openfeature: Any, server: str, provider: Callable[[str], Any]
) -> None:
    openfeature.set_provider_and_wait(provider(server))
    client = openfeature.get_client()
    missing = client.get_boolean_details("no-such-flag", True)
    assert (missing.value, missing.error_code) == (True, "FLAG_NOT_FOUND")
    nobody = client.get_boolean_details("checkout", True)
    assert (nobody.value, nobody.error_code) == (True, "TARGETING_KEY_MISSING")
    other = client.get_boolean_details("banner", True)
    assert (other.value, other.error_code) == (True, "TYPE_MISMATCH")


def test_openfeature_comes_back_when_it_asked_too_often(openfeature: Any, project: Path, platform: Platform) -> None:
    """Its provider reads the reply of the data plane: it waits as long as that says, and serves the default."""
    platform.registry.flags.put(FLAGS[1], actor="ann", now=1)
    text = (project / "tropism.toml").read_text()
    (project / "tropism.toml").write_text(text.replace("[http]", "[http]\nrate_limit = 0.001\nrate_burst = 1"))
    with assembled(load_settings(project, environment={})) as app:
        for url in live(app):
            provider = ofrep(url)
            openfeature.set_provider_and_wait(provider)
            client = openfeature.get_client()
            assert client.get_string_value("banner", "none") == "hello"
            assert client.get_string_value("banner", "none") == "none"
            assert provider.retry_after is not None


def test_both_providers_put_everybody_on_the_same_side(openfeature: Any, server: str) -> None:
    context = importlib.import_module("openfeature.evaluation_context").EvaluationContext
    here, there = own(server), ofrep(server)
    here.initialize(context())
    for number in range(100):
        unit = context(targeting_key=f"user-{number}")
        one = here.resolve_boolean_details("checkout", False, unit)
        other = there.resolve_boolean_details("checkout", False, unit)
        assert (one.value, one.variant) == (other.value, other.variant)
    here.shutdown()


def sent(*flags: Flag) -> httpx.Response:
    body = msgspec.json.encode({"flags": [{"flag": flag, "revision": 1} for flag in flags]})
    return httpx.Response(200, content=body, headers={"etag": f'"{len(flags)}"'})


class Replies:
    """Plays a server: the last of `replies` is sent again and again. `asked`: the entity tags it was shown."""

    def __init__(self, *replies: httpx.Response | Exception) -> None:
        self.replies = list(replies)
        self.asked: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.headers.get("if-none-match", ""))
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        if isinstance(reply, Exception):
            raise reply
        return reply


def played(*replies: httpx.Response | Exception, poll: float = 60.0) -> tuple[TropismProvider, Replies]:
    server = Replies(*replies)
    return TropismProvider("http://tropism", poll=poll, transport=httpx.MockTransport(server)), server


def test_an_unchanged_answer_is_not_sent_again(openfeature: Any) -> None:
    provider, server = played(sent(FLAGS[1]), httpx.Response(304))
    assert [provider.refresh(), provider.refresh(), provider.refresh()] == [True, False, False]
    assert server.asked == ["", '"1"', '"1"']
    assert provider.resolve_string_details("banner", "none").value == "hello"


def test_changes_and_outages_are_told_and_what_is_there_goes_on(openfeature: Any) -> None:
    """Each event once: two failures in a row are one outage."""
    away = httpx.ConnectError("refused")
    provider, _ = played(sent(FLAGS[1]), away, away, sent(*FLAGS[:3]), httpx.Response(304), poll=0.01)
    told: list[str] = []
    done = threading.Event()

    def emit(_: Any, event: Any, __: Any) -> None:
        told.append(event.name)
        assert provider.resolve_string_details("banner", "none").value == "hello"
        if event.name == "PROVIDER_CONFIGURATION_CHANGED":
            done.set()

    provider.attach(emit)
    provider.initialize(None)
    assert done.wait(20)
    provider.detach()
    provider.shutdown()
    assert told == ["PROVIDER_STALE", "PROVIDER_READY", "PROVIDER_CONFIGURATION_CHANGED"]


@pytest.mark.parametrize("reply", [httpx.ConnectError("refused"), httpx.Response(503), httpx.Response(200, text="<p>")])
def test_a_server_that_is_away_is_told_at_the_start(openfeature: Any, reply: httpx.Response | Exception) -> None:
    provider, _ = played(reply)
    with pytest.raises(NotReady, match="tropism up"):
        provider.initialize(None)
    provider.shutdown()


async def test_flags_are_awaited_as_well(openfeature: Any) -> None:
    provider, _ = played(sent(*FLAGS))
    provider.refresh()
    assert (await provider.resolve_integer_details_async("limit", 0)).value == 3
    assert provider.resolve_float_details("limit", 0.0).value == 3.0


def test_before_the_first_fetch_no_flag_is_known(openfeature: Any) -> None:
    provider, _ = played(sent())
    errors = importlib.import_module("openfeature.exception")
    with pytest.raises(errors.ProviderNotReadyError):
        provider.resolve_boolean_details("checkout", False)


def test_a_setting_that_makes_no_sense_is_refused(openfeature: Any) -> None:
    with pytest.raises(SettingInvalid, match="poll"):
        TropismProvider(poll=0)
    with pytest.raises(SettingInvalid, match="address"):
        TropismProvider("tropism")


def test_without_the_package_its_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openfeature.flag_evaluation", None)
    with pytest.raises(MissingExtra, match=r"tropism\[openfeature\]"):
        TropismProvider()
