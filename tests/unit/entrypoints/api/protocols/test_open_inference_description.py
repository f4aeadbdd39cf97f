from __future__ import annotations

from typing import Any

import pytest

from tropism.entrypoints.api.protocols.base import Request
from tropism.entrypoints.api.protocols.kserve_v1 import KServeV1
from tropism.entrypoints.api.protocols.open_inference import OpenInference
from tropism.entrypoints.api.protocols.open_inference_description import foreign_paths

ROUTES = [(path, method) for path, methods in foreign_paths().items() for method in methods]


@pytest.mark.parametrize(("path", "method"), ROUTES)
async def test_what_is_described_is_answered(shop: Any, path: str, method: str) -> None:
    method, at = method.upper(), path.format(name="price", version="4")
    (found,) = filter(None, (one.find(method, at) for one in (OpenInference(shop.core), KServeV1(shop.core))))
    reply = await found.answer(Request(method, at, b"", [], b"{}"))
    assert reply.status == (400 if method == "POST" else 200)


@pytest.mark.parametrize(("path", "method"), ROUTES)
def test_the_parts_of_a_path_are_described(path: str, method: str) -> None:
    named = {one["name"] for one in foreign_paths()[path][method]["parameters"] if one["in"] == "path"}
    assert named == {part for part in ("name", "version") if f"{{{part}}}" in path}


def test_requests_and_replies_are_described() -> None:
    infer = foreign_paths()["/v2/models/{name}/infer"]["post"]
    assert infer["requestBody"]["content"]["application/json"]["schema"]["required"] == ["inputs"]
    assert infer["responses"]["default"]["content"]["application/json"]["schema"]["required"] == ["error"]
