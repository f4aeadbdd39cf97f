from __future__ import annotations

import io

from tropism.entrypoints.scoring.frames import receive, send
from tropism.entrypoints.scoring.parts import Part


def test_messages_arrive_as_they_were_sent() -> None:
    pipe = io.BytesIO()
    part = Part(index=1, first=2, rows=3, data=memoryview(b"abc"), share=0.5)
    send(pipe, part)
    send(pipe, part)
    pipe.seek(0)
    assert [receive(pipe, Part), receive(pipe, Part), receive(pipe, Part)] == [part, part, None]


def test_a_message_that_is_cut_off_is_none() -> None:
    pipe = io.BytesIO()
    send(pipe, Part(index=1, first=2, rows=3, data=memoryview(b"abc"), share=0.5))
    for length in range(len(pipe.getvalue())):
        assert receive(io.BytesIO(pipe.getvalue()[:length]), Part) is None
