"""Reads features from Feast's feature server (`feast serve`), as they are now."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from tropism.core.clock import SystemClock, from_datetime
from tropism.core.errors import Fault, InvalidInput, NotReady, SettingInvalid
from tropism.features.online.reader import Status

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    import httpx

    from tropism.core.clock import Clock
    from tropism.features.feast.naming import Declared

_STATUSES = {
    "PRESENT": Status.PRESENT,
    "NULL_VALUE": Status.PRESENT,
    "NOT_FOUND": Status.MISSING,
    "OUTSIDE_MAX_AGE": Status.EXPIRED,
}
_NO_NUMBERS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BUSY = (408, 429)
_SHOWN = 300
_AT = "name the address of `feast serve`, such as http://127.0.0.1:6566"


class _Vector(msgspec.Struct):
    """Of one feature, a value for each entity."""

    values: list[Any]
    statuses: list[str]
    event_timestamps: list[datetime] = []


class _Metadata(msgspec.Struct):
    feature_names: list[str]


class _Reply(msgspec.Struct):
    results: list[_Vector]
    metadata: _Metadata


class FeastFeatures(msgspec.Struct, frozen=True):
    """What was read: for each entity its values by the features' names, and for each feature the status of each
    entity. Only what is `PRESENT` has a value, which may be null."""

    rows: list[dict[str, Any]]
    statuses: dict[str, list[Status]]


class FeastServer:
    """A client of one feature server, safe to use from many threads. Close it, or use it in a `with`.

    Feast does not hold to a view's `ttl` online: it gives values of any age as PRESENT (feast-dev/feast#6821). For
    features in `declared` (`Converted.served`), this does, by the times that the server sends; it also makes moments
    and NaN of what JSON has no form for. Others are as the server sends them.
    """

    def __init__(
        self,
        url: str,
        timeout: float = 1.0,
        declared: Mapping[str, Declared] | None = None,
        clock: Clock | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """`url`: of the server, such as `http://127.0.0.1:6566`. `timeout`: seconds for each part of a request.

        Raises:
            SettingInvalid: it is no URL.
        """
        import httpx

        if not _is_url(url):
            raise SettingInvalid("the address of the Feast server is no URL", Fault("url", url, _AT))
        self._http = httpx.Client(base_url=url, timeout=timeout, trust_env=False, transport=transport)
        self._url = url
        self._declared = dict(declared or {})
        self._clock = clock or SystemClock()

    def read(self, features: Sequence[str], keys: Mapping[str, Sequence[str | int]]) -> FeastFeatures:
        """Features `view:feature` of entities. `keys`: for each join key its values, of equal lengths; for features
        on demand also the columns of the request.

        Raises:
            InvalidInput: a name has no colon, the keys do not fit together, or the server refuses the request.
            NotReady: the server is away, too slow, fails, or is none of Feast.
        """
        asked = list(dict.fromkeys(features))
        count = _count(asked, keys)
        if count == 0:
            return FeastFeatures([], {name: [] for name in asked})
        body = {"features": asked, "entities": {key: list(some) for key, some in keys.items()}}
        reply = self._reply({**body, "full_feature_names": True})
        found = dict(zip(reply.metadata.feature_names, reply.results, strict=False))
        now = self._clock.now()
        columns: dict[str, list[Any]] = {}
        statuses: dict[str, list[Status]] = {}
        for name in asked:
            vector = found.get(name.replace(":", "__", 1))
            if vector is None or {len(vector.values), len(vector.statuses)} != {count}:
                raise self._not_feast(f"its reply has no {count} values of {name}")
            statuses[name] = _judged(vector, self._declared.get(name), now)
            columns[name] = self._values(name, vector, statuses[name])
        return FeastFeatures([{name: columns[name][row] for name in asked} for row in range(count)], statuses)

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> FeastServer:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _reply(self, body: dict[str, Any]) -> _Reply:
        import httpx

        try:
            content = msgspec.json.encode(body)
        except (TypeError, UnicodeEncodeError) as error:
            fault = Fault("keys", str(error)[:80], "send text, numbers or truth")
            raise InvalidInput("the keys cannot be sent", fault) from error
        try:
            try:
                answer = self._post(content)
            except (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError):
                # Feast's server closes a connection after an error, and the next request may still take it.
                answer = self._post(content)
        except httpx.TimeoutException as error:
            raise self._away("did not answer in time", "raise the timeout, or see what it waits for") from error
        except httpx.HTTPError as error:
            reason = str(error)[:80] or type(error).__name__
            raise self._away(f"is away: {reason}", "start it: `feast serve` in the repository's folder") from error
        if answer.status_code != 200:
            raise self._refused(answer.status_code, answer.content)
        try:
            return msgspec.json.decode(answer.content, type=_Reply)
        except msgspec.DecodeError as error:
            raise self._not_feast(str(error)[:_SHOWN]) from error

    def _post(self, content: bytes) -> httpx.Response:
        headers = {"content-type": "application/json"}
        return self._http.post("/get-online-features", content=content, headers=headers)

    def _refused(self, status: int, content: bytes) -> InvalidInput | NotReady:
        reason = _said(content)
        if 400 <= status < 500 and status not in _BUSY:
            fix = "mend the request; `feast feature-views list` shows what there is"
            return InvalidInput("Feast's server refuses the request", Fault("feast", f"{status}: {reason}", fix))
        if status < 400:
            return self._not_feast(f"it answers with status {status}")
        # Feast also answers a request that it cannot use with 500: an unknown feature, a key that is missing.
        fix = "mend the request where the server names it; otherwise see the server's log, and ask again"
        return NotReady(f"Feast's server failed: {reason or status}", Fault("url", self._url, fix))

    def _away(self, what: str, fix: str) -> NotReady:
        return NotReady(f"Feast's server {what}", Fault("url", self._url, fix))

    def _not_feast(self, reason: str) -> NotReady:
        return NotReady(f"what answers is no feature server of Feast: {reason}", Fault("url", self._url, _AT))

    def _values(self, name: str, vector: _Vector, statuses: list[Status]) -> list[Any]:
        declared = self._declared.get(name)
        live = [
            value if status is Status.PRESENT else None for value, status in zip(vector.values, statuses, strict=True)
        ]
        if declared is None:
            return live
        try:
            return [_value(one, declared.type) for one in live]
        except (TypeError, ValueError, OverflowError) as error:
            raise self._not_feast(f"{name} is not of type {declared.type}: {str(error)[:80]}") from error


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _count(features: Sequence[str], keys: Mapping[str, Sequence[Any]]) -> int:
    faults = [Fault("features", repr(name)[:80], "write view:feature") for name in features if ":" not in name]
    lengths = {len(some) for some in keys.values()}
    if not features:
        faults.append(Fault("features", "none", "name at least one, as view:feature"))
    if len(lengths) != 1:
        shown = ", ".join(f"{len(some)} of {key}" for key, some in keys.items()) or "none"
        faults.append(Fault("keys", shown[:80], "send a value of each join key for each entity"))
    for key, some in keys.items():
        if any(one is None for one in some):
            faults.append(Fault(f"keys.{key}", "null", "a key is never missing"))
    if faults:
        raise InvalidInput("this cannot be asked of Feast", *faults)
    return lengths.pop()


def _judged(vector: _Vector, declared: Declared | None, now: int) -> list[Status]:
    """A status that is not known is of a value that is not there."""
    found = [_STATUSES.get(status, Status.MISSING) for status in vector.statuses]
    if declared is None or declared.ttl is None:
        return found
    # The moment 1970 is what Feast sends where it has none, such as for features on demand.
    times = [from_datetime(at) for at in vector.event_timestamps] or [0] * len(found)
    return [
        Status.EXPIRED if status is Status.PRESENT and at and at + declared.ttl <= now else status
        for status, at in zip(found, times, strict=False)
    ]


def _value(value: Any, kind: str) -> Any:
    """As our own store gives it. Feast keeps whole seconds, and sends what JSON has no number for as text."""
    if value is None:
        return None
    if kind == "time":
        return _EPOCH + timedelta(seconds=value)
    if kind == "number":
        return float(_NO_NUMBERS.get(value, value))
    if kind.startswith("vector"):
        return [float(_NO_NUMBERS.get(one, one)) for one in value]
    return value


def _said(content: bytes) -> str:
    """The reason that a server gives: text, or JSON with it, which Feast wraps into text once more."""
    said: Any = content.decode(errors="replace")
    for _ in range(2):
        try:
            said = msgspec.json.decode(said) if isinstance(said, str) else said
        except msgspec.DecodeError:
            break
    if isinstance(said, dict):
        said = said.get("message") or said.get("detail") or said
    if isinstance(said, list) and said and isinstance(said[0], dict):
        said = said[0].get("msg") or said
    return " ".join(str(said).split())[:_SHOWN]
