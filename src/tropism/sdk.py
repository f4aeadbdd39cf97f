"""The Python client of a running Tropism, and the errors that its calls raise.

from tropism.sdk import Client

with Client() as client:
    made = client.predict("price", demand=0.4)
    client.outcome(made, True)
"""

from tropism.core.errors import (
    Conflict,
    DiskFull,
    Fault,
    InputError,
    InvalidInput,
    InvalidOutcome,
    MalformedBody,
    MissingFeature,
    NotFound,
    NotReady,
    PolicyRefused,
    RateLimited,
    SettingInvalid,
    TooLarge,
    TropismError,
    UnknownFeature,
    UnknownModel,
    UnknownTask,
    UnknownVersion,
)
from tropism.entrypoints.sdk import (
    Accepted,
    AsyncClient,
    AsyncTaskHandle,
    Client,
    EntityFeatures,
    Prediction,
    Pushed,
    RejectedEvent,
    TaskHandle,
)
from tropism.monitoring.delivery.signature import verify as verify_webhook

__all__ = [
    "Accepted",
    "AsyncClient",
    "AsyncTaskHandle",
    "Client",
    "Conflict",
    "DiskFull",
    "EntityFeatures",
    "Fault",
    "InputError",
    "InvalidInput",
    "InvalidOutcome",
    "MalformedBody",
    "MissingFeature",
    "NotFound",
    "NotReady",
    "PolicyRefused",
    "Prediction",
    "Pushed",
    "RateLimited",
    "RejectedEvent",
    "SettingInvalid",
    "TaskHandle",
    "TooLarge",
    "TropismError",
    "UnknownFeature",
    "UnknownModel",
    "UnknownTask",
    "UnknownVersion",
    "verify_webhook",
]
