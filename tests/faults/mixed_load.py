"""Callers of every kind, all at once: one row, many, tables, the protocols of others, messages, and bad input.

    python mixed_load.py PLAN

PLAN is JSON (see `Plan`). Prints "ready" once every kind of caller was answered, sends until a line comes in, ends
what it is at, and prints one JSON object (see `Findings.report`). It goes on over connections that break: a process
of the server may be killed at any moment. What must not happen at all is in `wrong`.
"""

from __future__ import annotations

import asyncio
import csv
import io
import json
import random
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

NUMBERS = ("f0", "f1", "f2")
COLOURS = ("red", "green", "blue", "never seen")
NAMES = (*NUMBERS, "colour", "flag")
TIMEOUT = 60.0
"""Seconds after which a caller who got no answer takes the server for stuck."""
MANY, SOME, IN_FLIGHT = 64, 8, 8
MOST_WRONG = 20
_CUT = (ConnectionError, asyncio.IncompleteReadError)


class Plan(NamedTuple):
    """`told`: the file for what was acknowledged, a line for each prediction: id, version, score."""

    port: int
    task: str
    told: str
    seed: int = 1


class Told(NamedTuple):
    """A prediction as a reply told of it."""

    id: str
    version: int
    score: float


class Reply(NamedTuple):
    status: int
    head: bytes
    body: bytes


class Findings:
    """What came back. `cuts`: broken connections by caller; `away`: replies with 503."""

    def __init__(self, plan: Plan) -> None:
        self._file = Path(plan.told).open("w")  # noqa: SIM115  open as long as this process lives
        self.answered: Counter[str] = Counter()
        self.away: Counter[str] = Counter()
        self.cuts: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.predictions = 0

    def tell(self, kind: str, told: list[Told]) -> None:
        self.answered[kind] += 1
        self.predictions += len(told)
        self._file.writelines(f"{one.id} {one.version} {one.score!r}\n" for one in told)

    def blame(self, kind: str, what: str) -> None:
        if len(self.wrong) < MOST_WRONG:
            self.wrong.append(f"{kind}: {what[:400]}")

    def report(self) -> str:
        self._file.close()
        counts = {name: getattr(self, name) for name in ("answered", "away", "cuts", "wrong", "predictions")}
        return json.dumps(counts)


class Wire:
    """One kept connection, opened when it is needed, one request at a time."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._open: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, request: bytes) -> Reply:
        """Raises: one of `_CUT`: the connection broke; `ConnectionRefusedError`: nobody listens; `TimeoutError`."""
        async with asyncio.timeout(TIMEOUT):
            if self._open is None:
                self._open = await asyncio.open_connection("127.0.0.1", self._port)
            reader, writer = self._open
            try:
                writer.write(request)
                await writer.drain()
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                body = await reader.readexactly(_length(head))
            except BaseException:
                self.close()
                raise
        if b"\r\nconnection: close" in head:
            self.close()
        return Reply(int(head[9:12]), head, body)

    def close(self) -> None:
        if self._open is not None:
            self._open[1].transport.abort()
            self._open = None


def _length(head: bytes) -> int:
    _, found, rest = head.partition(b"\r\ncontent-length: ")
    return int(rest.split(b"\r\n", 1)[0]) if found else 0


class Kind(NamedTuple):
    """A kind of request: how one is made, how its reply is read, and seconds between two of one caller."""

    name: str
    make: Callable[[str, random.Random], bytes]
    read: Callable[[Reply], list[Told]]
    pace: float
    callers: int = 1


def post(path: str, body: bytes | str, kind: str = "application/json") -> bytes:
    content = body if isinstance(body, bytes) else body.encode()
    head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: {kind}\r\ncontent-length: {len(content)}\r\n\r\n"
    return head.encode() + content


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode()


def row(chance: random.Random) -> dict[str, Any]:
    numbers = {name: chance.gauss(0, 1) for name in NUMBERS}
    return {**numbers, "colour": chance.choice(COLOURS), "flag": chance.random() < 0.5}


def _one(task: str, chance: random.Random) -> bytes:
    entity = {"entity": f"card-{chance.randrange(100)}"} if chance.random() < 0.3 else {}
    return post(f"/v1/tasks/{task}/predict", json.dumps({"features": row(chance), **entity}))


def _many(task: str, chance: random.Random) -> bytes:
    instances = [{"features": row(chance)} for _ in range(MANY)]
    return post(f"/v1/tasks/{task}/predict", json.dumps({"instances": instances}))


def _table(task: str, chance: random.Random) -> bytes:
    out = io.StringIO()
    writer = csv.DictWriter(out, NAMES)
    writer.writeheader()
    rows = [row(chance) for _ in range(MANY // 2)]
    writer.writerows({**values, "flag": "true" if values["flag"] else "false"} for values in rows)
    return post(f"/v1/tasks/{task}/predict", out.getvalue(), "text/csv")


def _infer(task: str, chance: random.Random) -> bytes:
    rows = [row(chance) for _ in range(SOME)]
    types = {"colour": "BYTES", "flag": "BOOL"}
    inputs = [
        {"name": name, "shape": [SOME], "datatype": types.get(name, "FP64"), "data": [one[name] for one in rows]}
        for name in NAMES
    ]
    return post(f"/v2/models/{task}/infer", json.dumps({"inputs": inputs}))


def _invoke(_: str, chance: random.Random) -> bytes:
    rows = [list(row(chance).values()) for _ in range(SOME)]
    return post("/invocations?ids=true", json.dumps({"dataframe_split": {"columns": NAMES, "data": rows}}))


def _look(_: str, chance: random.Random) -> bytes:
    return get(chance.choice(("/readyz", "/metrics", "/v1/models")))


def read_json(reply: Reply) -> list[Told]:
    answer = json.loads(reply.body)
    return [_told(one) for one in answer.get("predictions", [answer])]


def _told(one: dict[str, Any]) -> Told:
    if one["degraded"] or one["model"] == "" or one["variant"] != "champion":
        raise ValueError(f"answered by less than the champion: {one}")
    return Told(one["prediction_id"], one["version"], one["prediction"])


def read_csv(reply: Reply) -> list[Told]:
    rows = csv.DictReader(io.StringIO(reply.body.decode()))
    return [Told(one["prediction_id"], int(one["version"]), float(one["prediction"])) for one in rows]


def read_infer(reply: Reply) -> list[Told]:
    found = {one["name"]: one["data"] for one in json.loads(reply.body)["outputs"]}
    return [Told(*one) for one in zip(found["prediction_id"], found["version"], found["prediction"], strict=True)]


def read_invocations(reply: Reply) -> list[Told]:
    answer = json.loads(reply.body)
    version = int(reply.head.split(b"\r\ntropism-version: ")[1].split(b"\r\n")[0])
    pairs = zip(answer["prediction_ids"], answer["predictions"], strict=True)
    return [Told(name, version, score) for name, score in pairs]


KINDS = (
    Kind("single", _one, read_json, 0.02, 4),
    Kind("rows", _many, read_json, 0.5, 2),
    Kind("csv", _table, read_csv, 0.3),
    Kind("infer", _infer, read_infer, 0.1, 2),
    Kind("invocations", _invoke, read_invocations, 0.1, 2),
    Kind("look", _look, lambda _: [], 0.1),
)
"""Every kind of request that is to be answered with 200."""


def bad(task: str) -> dict[str, bytes]:
    """Requests that cannot be answered, by what is wrong with them."""
    path, infer = f"/v1/tasks/{task}/predict", f"/v2/models/{task}/infer"
    good = {"f0": 1.0, "f1": 2.0, "f2": 3.0, "colour": "red", "flag": True}
    whole = json.dumps({"features": good})
    tensor = {"name": "f0", "shape": [3], "datatype": "FP64", "data": [1.0]}
    return {
        "cut off": post(path, whole[:-9]),
        "empty": post(path, ""),
        "not a number": post(path, whole.replace("1.0", "NaN")),
        "infinite": post(path, whole.replace("1.0", "1e999")),
        "name sent twice": post(path, whole.replace('"f1"', '"f0": 1.0, "f1"')),
        "nested": post(path, "[" * 100_000),
        "UTF-16": post(path, whole.encode("utf-16")),
        "not UTF-8": post(path, whole.encode().replace(b"red", b"\xff\xfe")),
        "text for a number": post(path, whole.replace("1.0", '"1"')),
        "missing": post(path, json.dumps({"features": {"f0": 1.0}})),
        "unknown feature": post(path, json.dumps({"features": {**good, "f9": 1.0}})),
        "too many rows": post(path, json.dumps({"instances": [{"features": good}] * 1_001})),
        "an image": post(path, whole, "image/png"),
        "no Parquet": post(path, whole, "application/vnd.apache.parquet"),
        "short CSV": post(path, "f0,f1\n1\n", "text/csv"),
        "unknown task": post("/v1/tasks/nothing/predict", whole),
        "unknown version": post(f"/v2/models/{task}/versions/99/infer", json.dumps({"inputs": [tensor]})),
        "wrong shape": post(infer, json.dumps({"inputs": [tensor]})),
        "wrong type": post(infer, json.dumps({"inputs": [{**tensor, "datatype": "FP65"}]})),
        "no form of MLflow": post("/invocations", json.dumps({"frame": [1]})),
        "wrong method": get(path),
        "no such path": get("/v1/elsewhere"),
        "a flood of headers": post(path, whole).replace(b"host:", b"x-much: " + b"y" * 100_000 + b"\r\nhost:"),
        "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        "too long": post(path, "").replace(b"content-length: 0", b"content-length: 99999999999"),
        "no length": post(path, whole).replace(b"content-length: ", b"content-length: -"),
    }


class Callers:
    """Everyone who calls, until `enough`."""

    def __init__(self, plan: Plan, findings: Findings) -> None:
        self.enough = asyncio.Event()
        self._plan = plan
        self._findings = findings

    def all(self) -> list[asyncio.Task[None]]:
        calls = [self._call(kind, f"{kind.name}-{n}") for kind in KINDS for n in range(kind.callers)]
        calls += [self._misbehave(f"bad-{number}") for number in range(2)]
        calls += [self._talk(f"messages-{number}") for number in range(3)]
        return [asyncio.create_task(call) for call in calls]

    async def _call(self, kind: Kind, name: str) -> None:
        chance, wire = random.Random(f"{self._plan.seed} {name}"), Wire(self._plan.port)
        while await self._go_on(chance, kind.pace):
            reply = await self._ask(wire, name, kind.make(self._plan.task, chance))
            if reply is None:
                continue
            if reply.status == 503:
                self._findings.away[kind.name] += 1
            elif reply.status != 200:
                self._findings.blame(name, f"{reply.status} {reply.body!r}")
            else:
                self._read(kind.name, kind.read, reply)
        wire.close()

    async def _ask(self, wire: Wire, name: str, request: bytes) -> Reply | None:
        """The reply; None if the connection broke."""
        try:
            return await wire.ask(request)
        except ConnectionRefusedError:
            self._findings.blame(name, "connection refused: nobody listens")
        except _CUT:
            self._findings.cuts[name] += 1
        except TimeoutError:
            self._findings.blame(name, f"no answer in {TIMEOUT:g} s: {request[:200]!r}")
        return None

    def _read(self, kind: str, read: Callable[[Reply], list[Told]], reply: Reply) -> None:
        try:
            self._findings.tell(kind, read(reply))
        except (LookupError, ValueError, TypeError) as error:
            self._findings.blame(kind, f"{type(error).__name__}: {error}: {reply.body[:300]!r}")

    async def _misbehave(self, name: str) -> None:
        chance, requests = random.Random(f"{self._plan.seed} {name}"), bad(self._plan.task)
        while await self._go_on(chance, 0.03):
            what = chance.choice([*requests])
            wire = Wire(self._plan.port)
            reply = await self._ask(wire, name, requests[what])
            wire.close()
            if reply is None:
                continue
            if 400 <= reply.status < 500:
                self._findings.answered["bad"] += 1
            elif reply.status == 503:
                self._findings.away["bad"] += 1
            else:
                self._findings.blame(f"bad, {what}", f"{reply.status} {reply.body!r}")

    async def _talk(self, name: str) -> None:
        """Messages over WebSockets, several in flight, now and then a bad one."""
        from websockets.asyncio.client import connect
        from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage

        chance = random.Random(f"{self._plan.seed} {name}")
        address = f"ws://127.0.0.1:{self._plan.port}/v1/tasks/{self._plan.task}/stream"
        while await self._go_on(chance, 0.05):
            try:
                async with connect(address, proxy=None, open_timeout=TIMEOUT) as socket:
                    while await self._go_on(chance, 0.05):
                        async with asyncio.timeout(TIMEOUT):
                            await self._converse(socket, chance)
            except (ConnectionClosed, ConnectionError, EOFError, InvalidMessage):
                self._findings.cuts[name] += 1
            except InvalidHandshake as error:  # a worker that has just begun says 503
                self._findings.away["messages"] += 1
                if "503" not in str(error):
                    self._findings.blame(name, str(error))
            except TimeoutError:
                self._findings.blame(name, f"no answer in {TIMEOUT:g} s")

    async def _converse(self, socket: Any, chance: random.Random) -> None:
        wrong = chance.randrange(IN_FLIGHT) if chance.random() < 0.2 else None
        for number in range(IN_FLIGHT):
            features = {} if number == wrong else row(chance)
            await socket.send(json.dumps({"id": number, "features": features}))
        for number in range(IN_FLIGHT):
            answer = json.loads(await socket.recv())
            if answer["id"] != number:
                self._findings.blame("messages", f"answer {answer['id']} in place of {number}")
            elif number == wrong or "status" in answer:
                if answer.get("status") != (422 if number == wrong else 503):
                    self._findings.blame("messages", str(answer))
            else:
                self._read("messages", read_json, Reply(200, b"", json.dumps(answer).encode()))

    async def _go_on(self, chance: random.Random, pace: float) -> bool:
        """Waits between two requests; False once it is enough."""
        try:
            async with asyncio.timeout(chance.uniform(0, 2 * pace)):
                await self.enough.wait()
        except TimeoutError:
            return True
        return False


async def main(plan: Plan) -> None:
    findings = Findings(plan)
    callers = Callers(plan, findings)
    tasks = callers.all()
    wanted = {*(kind.name for kind in KINDS), "bad", "messages"}
    while not wanted <= findings.answered.keys() and not findings.wrong:
        await asyncio.sleep(0.05)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    callers.enough.set()
    await asyncio.gather(*tasks)
    sys.stdout.write(findings.report() + "\n")


if __name__ == "__main__":
    asyncio.run(main(Plan(**json.loads(sys.argv[1]))))
