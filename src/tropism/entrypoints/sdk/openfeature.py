"""Tropism's flags in an application that asks OpenFeature: evaluated in its own process, kept up to date by polling."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

import httpx
import msgspec

from tropism.core.clock import SystemClock
from tropism.core.errors import Fault, NotReady, SettingInvalid, TropismError
from tropism.core.flag import Flag
from tropism.core.plugins import require
from tropism.entrypoints.sdk.connection import DEFAULT_URL, options
from tropism.experiments.flags import Flagset

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tropism.core.clock import Clock

_log = logging.getLogger(__name__)
_KINDS: dict[str, tuple[type, ...]] = {
    "boolean": (bool,),
    "string": (str,),
    "integer": (int,),
    "float": (float,),
    "object": (dict, list),
}


class _Stored(msgspec.Struct, frozen=True):
    flag: Flag


class _Listed(msgspec.Struct, frozen=True):
    flags: tuple[_Stored, ...]


def _resolving(kind: str) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The method that resolves flags of a type, and the same to be awaited: nothing is waited for."""

    def resolve(self: TropismProvider, flag_key: str, default_value: Any, evaluation_context: Any = None) -> Any:
        del default_value  # OpenFeature serves it when an error is raised
        return self.resolve(kind, flag_key, evaluation_context)

    async def awaited(self: TropismProvider, flag_key: str, default_value: Any, evaluation_context: Any = None) -> Any:
        return resolve(self, flag_key, default_value, evaluation_context)

    return resolve, awaited


class TropismProvider:
    """A provider for the `openfeature-sdk` package: `openfeature.api.set_provider(TropismProvider())`.

    Fetches the flags of a running Tropism when it is set, looks for changes every `poll` seconds (a reply of 304 where
    there are none), and evaluates by the code that the server has. While the server is away it goes on with what it
    has, and emits PROVIDER_STALE, then PROVIDER_READY. `environment`: whose rules hold; if empty, the one that the
    context names as `environment`. Safe in any thread.

    Raises:
        MissingExtra: the package is not installed.
        SettingInvalid: the address is not a URL, or `poll` is not above 0.
    """

    def __init__(
        self,
        base_url: str = DEFAULT_URL,
        *,
        environment: str = "",
        poll: float = 5.0,
        timeout: float = 5.0,
        headers: Mapping[str, str] | None = None,
        clock: Clock | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._sdk = require("openfeature.flag_evaluation", "openfeature")
        self._provider = require("openfeature.provider", "openfeature")
        self._errors = require("openfeature.exception", "openfeature")
        self._events = require("openfeature.event", "openfeature")
        if not poll > 0:
            raise SettingInvalid("poll is not above 0", Fault("poll", str(poll), "use seconds, such as 5"))
        self._http = httpx.Client(**options(base_url, timeout), transport=transport)
        self._http.headers.update(headers or {})
        self._environment, self._poll = environment, poll
        self._clock = clock or SystemClock()
        self._flags: Flagset | None = None
        self._etag, self._stale = "", False
        self._emit: Callable[[Any, Any, Any], None] | None = None
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def attach(self, on_emit: Callable[[Any, Any, Any], None]) -> None:
        """OpenFeature tells where events go."""
        self._emit = on_emit

    def detach(self) -> None:
        """Events go nowhere from now on."""
        self._emit = None

    def initialize(self, evaluation_context: Any) -> None:  # noqa: ARG002  the SDK's signature
        """Fetches the flags, and starts to look for changes.

        Raises:
            NotReady: the server cannot be reached, or does not answer with flags.
        """
        self.refresh()
        self._stopping.clear()
        self._thread = threading.Thread(target=self._follow, name="tropism-flags", daemon=True)
        self._thread.start()

    def shutdown(self) -> None:
        """Ends the polling and closes the connections."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
        self._http.close()

    def refresh(self) -> bool:
        """Looks for changes now. Whether there were any.

        Raises:
            NotReady: the server cannot be reached, or does not answer with flags; what is there stays.
        """
        try:
            reply = self._http.get("/v1/flags", headers={"if-none-match": self._etag} if self._etag else {})
            if reply.status_code == 304:
                return False
            reply.raise_for_status()
            listed = msgspec.json.decode(reply.content, type=_Listed)
        except (httpx.HTTPError, msgspec.DecodeError) as error:
            fault = Fault("base_url", f"{self._http.base_url}: {error}"[:400], "start it with `tropism up`")
            raise NotReady("the flags cannot be fetched", fault) from error
        self._flags = Flagset(one.flag for one in listed.flags)
        self._etag = reply.headers.get("etag", "")
        return True

    def _follow(self) -> None:
        while not self._stopping.wait(self._poll):
            try:
                changed = self.refresh()
            except TropismError as error:
                if not self._stale:
                    _log.warning("%s", error)
                    self._tell("PROVIDER_STALE", str(error))
                self._stale = True
                continue
            if self._stale:
                self._stale = False
                self._tell("PROVIDER_READY", "the flags can be fetched again")
            if changed:
                self._tell("PROVIDER_CONFIGURATION_CHANGED", "flags were changed")

    def _tell(self, event: str, message: str) -> None:
        emit = self._emit
        if emit is not None:
            emit(self, self._events.ProviderEvent[event], self._events.ProviderEventDetails(message=message))

    def get_metadata(self) -> Any:
        """How OpenFeature names this provider."""
        return self._provider.Metadata(name="Tropism")

    def get_provider_hooks(self) -> list[Any]:
        """None."""
        return []

    def track(self, *_: Any, **__: Any) -> None:
        """Does nothing: outcomes are sent by `tropism.sdk`."""

    resolve_boolean_details, resolve_boolean_details_async = _resolving("boolean")
    resolve_string_details, resolve_string_details_async = _resolving("string")
    resolve_integer_details, resolve_integer_details_async = _resolving("integer")
    resolve_float_details, resolve_float_details_async = _resolving("float")
    resolve_object_details, resolve_object_details_async = _resolving("object")

    def resolve(self, kind: str, key: str, context: Any) -> Any:
        """What a flag comes to, as OpenFeature's details; raises OpenFeature's errors."""
        if self._flags is None:
            raise self._errors.ProviderNotReadyError("the flags were not fetched yet")
        found = self._flags.evaluate(key, _attributes(context), self._clock.now(), self._environment)
        if found.error:
            raise self._errors.ErrorCode.to_exception(self._errors.ErrorCode(found.error), found.details)
        value = _as(kind, found.value)
        if value is None:
            raise self._errors.TypeMismatchError(f"'{key}' comes to {found.value!r}, which is no {kind}")
        metadata = {"rule": found.rule} if found.rule else {}
        reason = self._sdk.Reason[found.reason]
        return self._sdk.FlagResolutionDetails(value, reason=reason, variant=found.variant, flag_metadata=metadata)


def _attributes(context: Any) -> Mapping[str, Any]:
    if context is None:
        return {}
    if not context.targeting_key:
        return dict(context.attributes)
    return {**context.attributes, "targetingKey": context.targeting_key}


def _as(kind: str, value: Any) -> Any:
    """The value as OpenFeature's type; None if it is of another."""
    if kind == "integer" and isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, bool) and kind != "boolean":
        return None
    if kind == "float" and isinstance(value, int):
        return float(value)
    return value if isinstance(value, _KINDS[kind]) else None
