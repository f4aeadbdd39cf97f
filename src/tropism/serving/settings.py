"""How the data plane listens, and what it refuses."""

from __future__ import annotations

import msgspec

from tropism.core.durations import parse_duration
from tropism.core.errors import Fault, InvalidInput, SettingInvalid

_MOST_WORKERS = 64
_MOST_KEPT = 10_000_000
_TTLS = ("prediction_cache_ttl", "feature_cache_ttl")
_MAY_BE_NONE = ("future_tolerance", "feature_cache_ttl")


class HttpSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Addresses and limits of the HTTP interface.

    `host`, `port`: the public address, served by the data plane. `control_host`, `control_port`: where
    the control plane listens, and where the data plane passes on to it whatever it does not serve itself.
    `workers`: how many data planes `tropism up` starts behind the one public address.
    `max_body_bytes`: largest request body. `max_artifact_bytes`: largest file that MLflow's clients send.
    `max_rows`: most rows of one predict request, and most outcomes of one outcomes request.
    `max_inflight`: requests worked on at once; more are told to come back.
    `rate_limit`: requests a second from one caller, by his key or address, 0 for any; `rate_burst`: at once.
    `keep_alive`: how long an idle connection is kept. `grpc_port`: where the Open Inference Protocol is spoken
    over gRPC, 0 for nowhere. `enable_gpu`: run ONNX models on the GPU. `future_tolerance`: how far ahead of this
    machine's clock a caller's time may be. `body_timeout`: how long a request's body may take to arrive.
    `control_timeout`: how long the control plane may take to answer. `poll`: how often the data plane looks for a
    new champion. `model_cache`: versions that are not live and are kept in memory after a caller asked for one, in
    each data plane. `prediction_cache`: scores that each data plane keeps for `prediction_cache_ttl`, to answer
    equal rows with, 0 for none. `feature_cache_ttl`: for how long an entity's features fill in for those that its
    next requests leave out, 0 for never.

    >>> HttpSettings(port=9000).control_port
    8701
    """

    host: str = "127.0.0.1"
    port: int = 8700
    control_host: str = "127.0.0.1"
    control_port: int = 8701
    workers: int = 1
    max_body_bytes: int = 8 * 1024 * 1024
    max_artifact_bytes: int = 1024 * 1024 * 1024
    max_rows: int = 1_000
    max_inflight: int = 16_384
    rate_limit: float = 0.0
    rate_burst: int = 100
    keep_alive: str = "75s"
    grpc_port: int = 0
    future_tolerance: str = "60s"
    body_timeout: str = "30s"
    control_timeout: str = "60s"
    poll: str = "200ms"
    model_cache: int = 100
    prediction_cache: int = 0
    prediction_cache_ttl: str = "60s"
    feature_cache_ttl: str = "0"
    enable_gpu: bool = False

    def __post_init__(self) -> None:
        faults = [
            Fault(f"http.{name}", str(getattr(self, name)), "use a port from 1 to 65535")
            for name in ("port", "control_port")
            if not 0 < getattr(self, name) < 65_536
        ]
        if self.port == self.control_port:
            faults.append(Fault("http.control_port", str(self.control_port), "use another port than http.port"))
        if not 1 <= self.workers <= _MOST_WORKERS:
            faults.append(Fault("http.workers", str(self.workers), f"use 1 to {_MOST_WORKERS}: one a core is plenty"))
        if not 0 <= self.grpc_port < 65_536 or (self.grpc_port and self.grpc_port in (self.port, self.control_port)):
            faults.append(Fault("http.grpc_port", str(self.grpc_port), "use a port of its own, or 0 for none"))
        if not 0 <= self.rate_limit < 1e9:
            faults.append(Fault("http.rate_limit", str(self.rate_limit), "use requests a second, or 0 for any number"))
        for name in ("max_body_bytes", "max_artifact_bytes", "max_rows", "max_inflight", "rate_burst"):
            if getattr(self, name) < 1:
                faults.append(Fault(f"http.{name}", str(getattr(self, name)), "use 1 or more"))
        for name in ("model_cache", "prediction_cache"):
            if not 0 <= getattr(self, name) <= _MOST_KEPT:
                faults.append(Fault(f"http.{name}", str(getattr(self, name)), f"use 0 to {_MOST_KEPT}; 0 keeps none"))
        for name in ("future_tolerance", "body_timeout", "control_timeout", "poll", "keep_alive", *_TTLS):
            try:
                if parse_duration(getattr(self, name), f"http.{name}") == 0 and name not in _MAY_BE_NONE:
                    faults.append(Fault(f"http.{name}", "0", "use some time, such as 1s"))
            except InvalidInput as error:
                faults += error.faults
        if faults:
            raise SettingInvalid("the HTTP settings are not valid", *faults)
