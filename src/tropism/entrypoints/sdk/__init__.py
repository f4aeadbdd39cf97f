"""The Python client: predictions and outcomes, sync and async. Import it as `tropism.sdk`."""

from tropism.entrypoints.sdk.async_client import AsyncClient, AsyncTaskHandle
from tropism.entrypoints.sdk.client import Client, TaskHandle
from tropism.entrypoints.sdk.results import Accepted, Prediction

__all__ = ["Accepted", "AsyncClient", "AsyncTaskHandle", "Client", "Prediction", "TaskHandle"]
