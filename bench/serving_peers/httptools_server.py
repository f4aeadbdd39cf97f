"""The limits "httptools_echo" and "httptools_model": the least that Python can do for a request, on uvloop.

    python httptools_server.py echo|model

No routes, no checks, no limits, no journal: this is not a server to use. "model" scores through LightGBM's C
interface, one row by its single-row path; `Booster.predict` is the same code with the same numbers, and takes many
times longer around it.
"""

from __future__ import annotations

import array
import asyncio
import ctypes
import os
import struct
import sys
from collections.abc import Callable
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import cast

import httptools
import msgspec
import uvloop

_DOUBLE = 1
_SETTINGS = b"num_threads=1"


class Connection(asyncio.Protocol):
    """Answers each request with what `reply` makes of its body."""

    def __init__(self, reply: Callable[[bytes], bytes]) -> None:
        self._reply = reply
        self._parser = httptools.HttpRequestParser(self)
        self._body = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        body = self._reply(self._body)
        self._body = b""
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
        self._transport.write(head % len(body) + body)


class Rows(msgspec.Struct):
    inputs: list[list[float]]


class Trees:
    """https://lightgbm.readthedocs.io/en/stable/C-API.html"""

    def __init__(self, path: Path) -> None:
        spec = find_spec("lightgbm")
        assert spec is not None and spec.origin is not None
        self._library = ctypes.CDLL(str(Path(spec.origin).parent / "lib" / "lib_lightgbm.so"))
        self._booster, self._fast, width = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_int()
        self._count = ctypes.c_int64()
        read = ctypes.c_int()
        self._library.LGBM_BoosterLoadModelFromString(
            path.read_bytes(), ctypes.byref(read), ctypes.byref(self._booster)
        )
        self._library.LGBM_BoosterGetNumFeature(self._booster, ctypes.byref(width))
        self._library.LGBM_BoosterPredictForMatSingleRowFastInit(
            self._booster, 0, 0, -1, _DOUBLE, width, _SETTINGS, ctypes.byref(self._fast)
        )
        self._width = width.value
        self._row, self._out = struct.Struct(f"{self._width}d"), ctypes.c_double()
        self._at, self._into = ctypes.create_string_buffer(self._row.size), ctypes.byref(self._out)

    def one(self, row: list[float]) -> list[float]:
        self._row.pack_into(self._at, 0, *row)
        self._library.LGBM_BoosterPredictForMatSingleRowFast(
            self._fast, self._at, ctypes.byref(self._count), self._into
        )
        return [self._out.value]

    def many(self, rows: list[list[float]]) -> list[float]:
        matrix = array.array("d", chain.from_iterable(rows))
        out = array.array("d", bytes(8 * len(rows)))
        self._library.LGBM_BoosterPredictForMat(
            self._booster, ctypes.c_void_p(matrix.buffer_info()[0]), _DOUBLE, len(rows), self._width, 1, 0, 0, -1,
            _SETTINGS, ctypes.byref(self._count), ctypes.c_void_p(out.buffer_info()[0]),
        )  # fmt: skip
        return out.tolist()


def scorer(path: Path) -> Callable[[bytes], bytes]:
    trees, decode, encode = Trees(path), msgspec.json.Decoder(Rows).decode, msgspec.json.Encoder().encode

    def reply(body: bytes) -> bytes:
        rows = decode(body).inputs
        return encode({"scores": trees.one(rows[0]) if len(rows) == 1 else trees.many(rows)})

    return reply


async def serve(reply: Callable[[bytes], bytes]) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(reply), "127.0.0.1", int(os.environ["PORT"]))
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(scorer(Path(os.environ["MODEL"])) if sys.argv[1] == "model" else lambda body: body))
