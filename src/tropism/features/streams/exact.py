"""JSON whose fractions keep every digit, for columns that are exact decimals."""

from __future__ import annotations

import decimal
import math

import msgspec


def _fraction(text: str) -> decimal.Decimal | float:
    try:
        return decimal.Decimal(text)
    except decimal.InvalidOperation:  # its exponent is beyond all bounds
        return math.nan


exact_json = msgspec.json.Decoder(float_hook=_fraction)
"""Decodes as `msgspec.json.Decoder` does, but fractions to `decimal.Decimal`, or NaN where they are none."""
