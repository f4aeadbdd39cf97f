"""A head is read only if an HTTP parser says the same of it."""

from __future__ import annotations

import httptools
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tropism.entrypoints.api.heads import Head, Heads

START = b"POST /v1/tasks/price/predict HTTP/1.1\r\n"
MOST = 1_000


class Parsed:
    """What httptools makes of bytes."""

    def __init__(self, data: bytes) -> None:
        self.url = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.body = b""
        self.begun = self.done = 0
        self.parser = httptools.HttpRequestParser(self)
        self.parser.feed_data(data)

    def on_message_begin(self) -> None:
        self.begun += 1

    def on_url(self, url: bytes) -> None:
        self.url += url if not self.done else b""

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        parser = self.parser
        self.method, self.version = parser.get_method(), parser.get_http_version()
        self.keep_alive, self.upgrade = parser.should_keep_alive(), parser.should_upgrade()

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.done += 1


def check(data: bytes, found: Head) -> None:
    """The parser reads the same from a head that was taken, with a body and the next request after it."""
    body = b"x" * found.length
    parsed = Parsed(data + body + b"GET / HTTP/1.1\r\n")
    assert (parsed.method, parsed.url, parsed.version) == (
        b"POST",
        b"/v1/tasks/%b/predict" % found.task.encode(),
        "1.1",
    )
    assert (parsed.body, parsed.begun, parsed.done) == (body, 2, 1)
    assert parsed.keep_alive
    assert not parsed.upgrade
    names = [name for name, _ in parsed.headers]
    assert len(set(names)) == len(names)
    assert not {b"transfer-encoding", b"expect", b"upgrade", b"trailer", b"content-encoding", b"origin"} & set(names)
    headers = dict(parsed.headers)
    assert headers[b"content-length"].strip().isdigit()
    assert found.key == (headers.get(b"x-api-key") or headers.get(b"authorization") or b"")


def head(*lines: bytes, start: bytes = START) -> bytes:
    return start + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


PLAIN = [
    head(b"Host: x", b"Content-Length: 12"),
    head(b"host:x", b"content-length:0"),
    head(b"host: \t x \t", b"content-length:  \t012", b"x-empty:", b"x-tab: a\tb"),
    head(
        b"host: x", b"content-length: 12", b"connection: Keep-Alive", b"content-type: application/json; charset=utf-8"
    ),
    head(b"host: x", b"content-length: 12", b"x-api-key: k", b"authorization: a"),
    head(b"host: x", b"content-length: 12", b"x-api-key:", b"authorization: a"),
    head(b"host: x", b"content-length: 1000", b"accept: */*", b"user-agent: curl/8 (x; y)"),
]
UNUSUAL = [
    head(b"host: x"),
    head(b"content-length: 12"),
    head(b"host: x", b"content-length: 12", b"content-length: 12"),
    head(b"host: x", b"content-length: 12", b"Content-Length: 13"),
    head(b"host: x", b"content-length: 12, 12"),
    head(b"host: x", b"content-length: 12 "),
    head(b"host: x", b"content-length: +5"),
    head(b"host: x", b"content-length: -5"),
    head(b"host: x", b"content-length: 0x10"),
    head(b"host: x", b"content-length: 1_0"),
    head(b"host: x", b"content-length: 1 0"),
    head(b"host: x", b"content-length: \xb2"),
    head(b"host: x", b"content-length: 1001"),
    head(b"host: x", b"content-length: 99999999999999999999"),
    head(b"host: x", b"content-length : 12"),
    head(b"host: x", b" content-length: 12"),
    head(b"host: x", b"content-length: 12", b"x-a: b", b" folded"),
    head(b"host: x", b"content-length: 12", b"x-a: b", b"\tfolded"),
    head(b"host: x", b"content-length: 12", b"x-a: b\x00c"),
    head(b"host: x", b"content-length: 12", b"x-a: b\rc"),
    head(b"host: x", b"content-length: 12", b"x-a: b\nx-b: c"),
    head(b"host: x\ncontent-length: 12"),
    head(b"host: x", b"content-length: 12", b"x-\xe9: b"),
    head(b"host: x", b"content-length: 12", b"x-a: \xff"),
    head(b"host: x", b"content-length: 12", b": b"),
    head(b"host: x", b"content-length: 12", b"no colon"),
    head(b"host: x", b"content-length: 12", b"transfer-encoding: chunked"),
    head(b"host: x", b"content-length: 12", b"Transfer-Encoding: identity"),
    head(b"host: x", b"content-length: 12", b"transfer_encoding: chunked"),
    head(b"host: x", b"content-length: 12", b"connection: close"),
    head(b"host: x", b"content-length: 12", b"connection: keep-alive, upgrade"),
    head(b"host: x", b"content-length: 12", b"upgrade: h2c"),
    head(b"host: x", b"content-length: 12", b"expect: 100-continue"),
    head(b"host: x", b"content-length: 12", b"content-encoding: gzip"),
    head(b"host: x", b"content-length: 12", b"content-type: text/csv"),
    head(b"host: x", b"content-length: 12", b"origin: http://evil.example"),
    head(b"host: x", b"content-length: 12", b"x-timeout-ms: 5"),
    head(b"host: x", b"content-length: 12", b"accept: text/csv"),
    *(
        head(b"host: x", b"content-length: 12", start=start)
        for start in (
            b"GET /v1/tasks/price/predict HTTP/1.1\r\n",
            b"post /v1/tasks/price/predict HTTP/1.1\r\n",
            b"POST /v1/tasks/price/predict HTTP/1.0\r\n",
            b"POST /v1/tasks/price/predict HTTP/1.1\n",
            b"POST  /v1/tasks/price/predict HTTP/1.1\r\n",
            b"POST /v1/tasks/price/predict  HTTP/1.1\r\n",
            b"POST http://x/v1/tasks/price/predict HTTP/1.1\r\n",
            b"POST /v1/tasks/pr%69ce/predict HTTP/1.1\r\n",
            b"POST /v1/tasks/price/predict?a=b HTTP/1.1\r\n",
            b"POST /v1/tasks/price/predict#a HTTP/1.1\r\n",
            b"POST /v1/tasks//predict HTTP/1.1\r\n",
            b"POST /v1/tasks/../predict HTTP/1.1\r\n",
            b"POST /v1/tasks/a/b/predict HTTP/1.1\r\n",
            b"POST /v1/tasks/" + b"a" * 65 + b"/predict HTTP/1.1\r\n",
            b"\r\n" + START,
        )
    ),
    head(b"host: x", b"content-length: 12")[:-2],
    head(b"host: x", b"content-length: 12") + b"x",
    START + b"\r\nhost: x\r\ncontent-length: 12\r\n\r\n",
    b"",
]


@pytest.mark.parametrize("data", PLAIN)
def test_plain_heads_are_read_as_the_parser_reads_them(data: bytes) -> None:
    heads = Heads(MOST)
    found = heads.read(data)
    assert found is not None
    check(data, found)
    assert heads.read(data) == found, "the same when it comes again"


@pytest.mark.parametrize("data", UNUSUAL)
def test_whatever_is_unusual_is_left_to_the_parser(data: bytes) -> None:
    heads = Heads(MOST)
    assert heads.read(data) is None
    assert heads.read(data) is None


PIECES = st.sampled_from(
    [
        *START.split(b" "),
        START,
        b"host: x\r\n",
        b"content-length: 12\r\n",
        b"content-length: 3\r\n",
        b"x-a: b\r\n",
        b"transfer-encoding: chunked\r\n",
        b"connection: close\r\n",
        b"\r\n",
        b"\n",
        b"\r",
        b" ",
        b"\t",
        b":",
        b"\x00",
        b"\xa0",
        b"x-api-key: ",
        b"authorization: ",
        b"content-length:",
        b"+5",
        b"0x1",
        b"12",
        b"Connection:keep-alive\r\n",
        b"5;",
        b",",
    ]
)


@settings(max_examples=1_500, deadline=None, derandomize=True)
@given(pieces=st.lists(PIECES | st.binary(max_size=3), max_size=8), framed=st.booleans())
def test_no_bytes_are_read_otherwise_than_the_parser_does(pieces: list[bytes], framed: bool) -> None:
    data = b"".join(pieces)
    if framed:
        data = START + b"host: x\r\ncontent-length: 12\r\n" + data + b"\r\n\r\n"
        data = data[: data.find(b"\r\n\r\n") + 4]
    found = Heads(MOST).read(data)
    if found is not None:
        check(data, found)


@settings(max_examples=1_500, deadline=None, derandomize=True)
@given(
    data=st.sampled_from(PLAIN),
    place=st.integers(0, 200),
    change=st.binary(min_size=0, max_size=3),
    cut=st.integers(0, 2),
)
def test_no_change_to_a_plain_head_misleads(data: bytes, place: int, change: bytes, cut: int) -> None:
    place %= len(data)
    changed = data[:place] + change + data[place + cut :]
    found = Heads(MOST).read(changed)
    if found is not None:
        check(changed, found)


def test_what_is_remembered_is_bounded() -> None:
    heads = Heads(MOST)
    for index in range(10_000):
        assert heads.read(head(b"host: x", b"content-length: 12", b"x-id: %d" % index)) is not None
    long = head(b"host: x", b"content-length: 12", b"cookie: " + b"c" * 5_000)
    assert heads.read(long) is not None
    assert len(heads._known) <= 4_096
    assert long not in heads._known
    assert heads.read(head(b"host: x", b"content-length: 12", b"cookie: " + b"c" * 20_000)) is None
