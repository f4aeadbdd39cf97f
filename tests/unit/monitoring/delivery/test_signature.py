"""Signatures of webhooks are those of the standard."""

from __future__ import annotations

import base64

import pytest

from tropism.core.errors import InvalidInput, SettingInvalid
from tropism.monitoring.delivery.signature import format_secret, parse_secret, sign, verify

KEY = bytes(range(32))
SECRET = format_secret(KEY)
SENT = 1_700_000_000
BODY = b'{"a": 1}'
HEADERS = {"webhook-id": "n1", "webhook-timestamp": str(SENT), "webhook-signature": sign("n1", SENT, BODY, KEY)}


def test_it_is_the_signature_of_the_standards_own_libraries() -> None:
    """Figures from the tests of `standardwebhooks`."""
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    made = sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, b'{"test": 2432232314}', key)
    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_one_of_several_signatures_is_enough() -> None:
    """As while a secret is replaced."""
    both = {**HEADERS, "webhook-signature": f"v1,{'A' * 43}= v2,x {HEADERS['webhook-signature']}"}
    assert verify(both, BODY, SECRET, now=SENT) == "n1"


@pytest.mark.parametrize("late", [-301, 301])
def test_a_recorded_request_is_refused_later(late: int) -> None:
    with pytest.raises(InvalidInput, match="too old"):
        verify(HEADERS, BODY, SECRET, now=SENT + late)
    assert verify(HEADERS, BODY, SECRET, now=SENT + late, tolerance=400) == "n1"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("webhook-id", "n2"),
        ("webhook-id", ""),
        ("webhook-timestamp", str(SENT + 1)),
        ("webhook-timestamp", "soon"),
        ("webhook-timestamp", "²"),
        ("webhook-signature", "v1,é"),
        ("webhook-signature", HEADERS["webhook-signature"].removeprefix("v1,")),
    ],
)
def test_what_was_changed_on_the_way_is_refused_and_named(name: str, value: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        verify({**HEADERS, name: value}, BODY, SECRET, now=SENT)
    assert caught.value.faults[0].field.startswith("webhook-")


@pytest.mark.parametrize("text", ["", "whsec_", "hunter2", "whsec_" + "A" * 8, "é" * 40, "whsec_" + "A" * 100])
def test_a_secret_that_is_none_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(SettingInvalid) as caught:
        parse_secret(text)
    assert not text.removeprefix("whsec_") or text not in str(caught.value)
