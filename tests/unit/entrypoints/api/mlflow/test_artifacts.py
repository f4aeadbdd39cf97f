"""Files through MLflow's artifacts proxy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

_BASE = "/api/2.0/mlflow-artifacts/artifacts"


async def test_a_file_comes_back_as_it_was_sent(client: Any) -> None:
    data = bytes(range(256)) * 100
    assert (await client.http.put(f"{_BASE}/0/run/artifacts/a b.bin", content=data)).status_code == 200
    assert (await client.http.get(f"{_BASE}/0/run/artifacts/a b.bin")).content == data


async def test_a_folder_lists_what_it_holds(client: Any) -> None:
    for path in ("m/MLmodel", "m/data/w.bin", "other"):
        await client.http.put(f"{_BASE}/{path}", content=b"12345")
    files = (await client.http.get(_BASE, params={"path": "m"})).json()["files"]
    assert files == [
        {"path": "MLmodel", "is_dir": False, "file_size": 5},
        {"path": "data", "is_dir": True},
    ]


async def test_a_deleted_folder_takes_all_in_it(client: Any) -> None:
    for path in ("m/a", "m/b/c", "m2/a"):
        await client.http.put(f"{_BASE}/{path}", content=b"1")
    assert (await client.http.delete(f"{_BASE}/m")).status_code == 200
    assert (await client.http.get(f"{_BASE}/m/b/c")).status_code == 404
    assert [one["path"] for one in (await client.http.get(_BASE)).json()["files"]] == ["m2"]


@pytest.mark.parametrize(
    "path", ["%2e%2e/x", "a/%2e%2e/%2e%2e/x", "a%5c..%5cx", "%252e%252e/x", "a//x", "%2Fetc/x", "a/%00"]
)
@pytest.mark.parametrize("method", ["PUT", "GET", "DELETE"])
async def test_a_path_that_leads_elsewhere_is_refused(client: Any, path: str, method: str) -> None:
    response = await client.http.request(method, f"{_BASE}/{path}", content=b"x" if method == "PUT" else None)
    assert response.status_code == 400
    assert "path" in response.json()["message"]


async def test_a_file_is_not_a_folder_too(client: Any) -> None:
    await client.http.put(f"{_BASE}/a", content=b"1")
    assert (await client.http.put(f"{_BASE}/a/b", content=b"1")).status_code == 400
    await client.http.put(f"{_BASE}/c/d", content=b"1")
    assert (await client.http.put(f"{_BASE}/c", content=b"1")).status_code == 400


async def test_files_of_a_run_are_listed_from_its_folder(client: Any) -> None:
    run_id = await client.run()
    await client.http.put(f"{_BASE}/0/{run_id}/artifacts/m/a", content=b"1")
    _, body = await client.get("artifacts/list", run_id=run_id, path="m")
    assert body["files"] == [{"path": "m/a", "is_dir": False, "file_size": 1}]


async def test_parts_of_files_are_refused_in_words_that_clients_know(client: Any) -> None:
    response = await client.http.post("/api/2.0/mlflow-artifacts/mpu/create/a", json={"path": "a", "num_parts": 2})
    assert response.status_code == 501
    assert response.json()["message"].startswith(
        "Multipart upload is not supported for the current artifact repository"
    )


async def test_a_file_of_several_pieces_comes_back_and_its_size_is_told(client: Any) -> None:
    data = bytes(range(256)) * 10_000
    assert (await client.http.put(f"{_BASE}/0/big.bin", content=data)).status_code == 200
    assert (await client.http.get(f"{_BASE}/0/big.bin")).content == data
    head = await client.http.head(f"{_BASE}/0/big.bin")
    assert (head.status_code, head.headers["content-length"]) == (200, str(len(data)))


@pytest.mark.parametrize("announced", [True, False])
async def test_a_file_above_the_limit_is_refused_and_leaves_nothing(
    client: Any, tmp_path: Path, announced: bool
) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b"x" * 100_000

    content = b"x" * 4_000_000 if announced else pieces()
    response = await client.http.put(f"{_BASE}/0/big.bin", content=content)
    assert response.status_code == 413
    assert "http.max_artifact_bytes" in response.json()["message"]
    assert (await client.http.get(f"{_BASE}/0/big.bin")).status_code == 404
    assert [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()] == []


async def test_an_upload_that_breaks_off_leaves_nothing(client: Any, tmp_path: Path) -> None:
    messages = [{"type": "http.request", "body": b"x" * 1_500_000, "more_body": True}, {"type": "http.disconnect"}]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "PUT",
        "scheme": "http",
        "path": f"{_BASE}/0/big.bin",
        "raw_path": b"",
        "query_string": b"",
        "root_path": "",
        "headers": [],
    }

    async def receive() -> Any:
        return messages.pop(0)

    async def send(_: Any) -> None: ...

    await client.http._transport.app(scope, receive, send)
    assert messages == []
    assert (await client.http.get(f"{_BASE}/0/big.bin")).status_code == 404
    assert [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()] == []


async def test_a_changed_content_is_not_sent(client: Any, tmp_path: Path) -> None:
    await client.http.put(f"{_BASE}/0/a", content=b"12345")
    (file,) = [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()]
    file.write_bytes(b"12346")
    response = await client.http.get(f"{_BASE}/0/a")
    assert response.status_code == 500
    assert "is not what was stored" in response.json()["message"]
