from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from tropism.core import plugins
from tropism.core.errors import MissingExtra, PortInUse
from tropism.entrypoints.api.protocols.grpc_messages import load_messages
from tropism.entrypoints.api.protocols.grpc_server import start
from tropism.entrypoints.api.protocols.grpc_service import INFERENCE

grpc = pytest.importorskip("grpc")
PB = load_messages("open_inference")


async def is_live(port: int, host: str = "127.0.0.1") -> bool:
    async with grpc.aio.insecure_channel(f"{host}:{port}") as channel:
        raw = await channel.unary_unary(f"/{INFERENCE}/ServerLive")(b"", timeout=30)
    return bool(PB.ServerLiveResponse.FromString(raw).live)


async def test_it_listens_until_it_is_stopped(shop: Any) -> None:
    server = await start(shop.core, "127.0.0.1", 0)
    assert await is_live(server.port)
    await server.stop()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", server.port)


async def test_calls_in_progress_are_finished(shop: Any) -> None:
    begun, release = asyncio.Event(), asyncio.Event()
    inner = shop.core.predictions

    class Slow:
        async def score(self, *arguments: Any, **named: Any) -> Any:
            begun.set()
            await release.wait()
            return await inner.score(*arguments, **named)

    server = await start(shop.core._replace(predictions=Slow()), "127.0.0.1", 0)
    request = PB.ModelInferRequest(model_name="colour", raw_input_contents=[bytes(16)])
    request.inputs.add(name="x", datatype="FP64", shape=[1, 2])
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel, asyncio.timeout(30):
        infer = channel.unary_unary(f"/{INFERENCE}/ModelInfer")
        call = asyncio.ensure_future(infer(request.SerializeToString()))
        await begun.wait()
        stopping = asyncio.ensure_future(server.stop())
        await asyncio.sleep(0)
        assert not stopping.done()
        release.set()
        assert PB.ModelInferResponse.FromString(await call).model_name == "colour"
        await stopping
    assert len(shop.recorded()) == 1


async def test_a_port_that_is_taken_is_said(shop: Any) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(PortInUse, match="cannot listen") as caught:
            await start(shop.core, "127.0.0.1", taken.getsockname()[1])
        assert caught.value.faults[0].field == "http.grpc_port"


async def test_workers_share_a_port_only_if_all_say_so(shop: Any) -> None:
    first = await start(shop.core, "127.0.0.1", 0, shared=True)
    second = await start(shop.core, "127.0.0.1", first.port, shared=True)
    assert second.port == first.port
    with pytest.raises(PortInUse):
        await start(shop.core, "127.0.0.1", first.port)
    await first.stop()
    assert await is_live(second.port)
    await second.stop()


async def test_without_grpc_the_extra_is_named(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise ModuleNotFoundError(name=name)

    monkeypatch.setattr(plugins, "import_module", missing)
    with pytest.raises(MissingExtra) as caught:
        await start(shop.core, "127.0.0.1", 0)
    assert "tropism[grpc]" in caught.value.faults[0].fix
