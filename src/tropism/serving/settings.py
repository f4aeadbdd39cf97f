"""How the data plane listens, and what it refuses."""

from __future__ import annotations

import msgspec

from tropism.core.durations import parse_duration
from tropism.core.errors import Fault, InvalidInput, SettingInvalid


class HttpSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Addresses and limits of the HTTP interface.

    `host`, `port`: the public address, served by the data plane. `control_port`: where the control plane
    listens on the loopback; whatever the data plane does not serve itself is passed on to it.
    `max_body_bytes`: largest request body. `max_rows`: most rows of one predict request, and most outcomes of
    one outcomes request. `max_inflight`: requests worked on at once; more are told to come back.
    `future_tolerance`: how far ahead of this machine's clock a caller's time may be. `body_timeout`: how long
    a request's body may take to arrive. `control_timeout`: how long the control plane may take to answer.
    `poll`: how often the data plane looks for a new champion.

    >>> HttpSettings(port=9000).control_port
    8701
    """

    host: str = "127.0.0.1"
    port: int = 8700
    control_port: int = 8701
    max_body_bytes: int = 8 * 1024 * 1024
    max_rows: int = 1_000
    max_inflight: int = 1_024
    future_tolerance: str = "60s"
    body_timeout: str = "30s"
    control_timeout: str = "60s"
    poll: str = "200ms"

    def __post_init__(self) -> None:
        faults = [
            Fault(f"http.{name}", str(getattr(self, name)), "use a port from 1 to 65535")
            for name in ("port", "control_port")
            if not 0 < getattr(self, name) < 65_536
        ]
        if self.port == self.control_port:
            faults.append(Fault("http.control_port", str(self.control_port), "use another port than http.port"))
        for name in ("max_body_bytes", "max_rows", "max_inflight"):
            if getattr(self, name) < 1:
                faults.append(Fault(f"http.{name}", str(getattr(self, name)), "use 1 or more"))
        for name in ("future_tolerance", "body_timeout", "control_timeout", "poll"):
            try:
                if parse_duration(getattr(self, name), f"http.{name}") == 0 and name != "future_tolerance":
                    faults.append(Fault(f"http.{name}", "0", "use some time, such as 1s"))
            except InvalidInput as error:
                faults += error.faults
        if faults:
            raise SettingInvalid("the HTTP settings are not valid", *faults)
