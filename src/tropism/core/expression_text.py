"""Reads conditions of rules, such as `latency_p95 > 500ms and predictions > 100`, by operator precedence
(V. R. Pratt, Top Down Operator Precedence, 1973).
"""

from __future__ import annotations

import math
import re
from functools import lru_cache
from typing import NamedTuple, get_args

from tropism.core.errors import Fault, InvalidInput
from tropism.core.expressions import (
    LEVELS,
    UNITS,
    Arithmetic,
    Comparator,
    Comparison,
    Condition,
    Logical,
    Metric,
    Negative,
    Not,
    Number,
    Unit,
    Value,
    metrics,
)
from tropism.core.faults import close_to, shown
from tropism.core.metric_names import METRIC_NAMES

LONGEST = 200
"""Most words, numbers and signs in a condition, which bounds how deep it can nest."""
_TOKEN = re.compile(
    r"""\s*(?:(?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
    |(?P<name>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<text>'[^']*'|"[^"]*")
    |(?P<sign><=|>=|==|!=|[-<>+*/()%])
    |(?P<end>\Z))""",
    re.VERBOSE,
)
_WORDS = ("and", "or", "not")
_COMPARATORS = get_args(Comparator)
_TIMES: tuple[Unit, ...] = ("ms", "s", "m", "h", "d")
_MEANT = {
    "=": "write == or a comparison",
    "&": "write `and`",
    "|": "write `or`",
    "!": "write `not`",
    "'": "close the quote",
    '"': "close the quote",
    ",": "write 0.5 with a point",
}


class _Token(NamedTuple):
    kind: str
    text: str
    at: int
    end: int


@lru_cache(maxsize=1_024)
def parse(text: str, field: str = "when") -> Condition:
    """The condition that a text states.

    Comparisons (`<`, `<=`, `>`, `>=`, `==`, `!=`) of metrics and numbers, joined by `and`, `or`, `not` and parentheses;
    numbers may have a unit (`%`, `ms`, `s`, `m`, `h`, `d`, `k`, `M`) and be computed with `+ - * /`.

    Raises:
        InvalidInput: it is none; names `field`, the place, and what would be right.

    >>> parse("accuracy < 85%")
    Comparison(operator='<', left=Metric(name='accuracy', argument=''), right=Number(value=85.0, unit='%'))
    >>> str(parse("not (drift('age')>0.8 or loss > 1.2*baseline_loss)"))
    "not (drift('age') > 0.8 or loss > 1.2 * baseline_loss)"
    >>> parse("acuracy < 85%")
    Traceback (most recent call last):
    tropism.core.errors.InvalidInput: when is not a condition
      when: got "acuracy < 85%", at character 1; there is no metric 'acuracy', did you mean 'accuracy'?
    """
    return _Parser(text, field).condition()


class _Parser:
    """Reads one text, from the left. Each method reads one part and leaves what comes after it."""

    def __init__(self, text: str, field: str) -> None:
        self._text = text
        self._field = field
        self._tokens = self._split()
        self._next = 0

    def condition(self) -> Condition:
        found = self._expression(0)
        if self._now.kind != "end":
            raise self._wrong(self._now, self._unexpected())
        if isinstance(found, Value):
            raise self._wrong(self._tokens[0], "compare it with something, such as accuracy < 0.85")
        if not metrics(found):
            raise self._wrong(self._tokens[0], "name a metric: this is the same at all times")
        return found

    @property
    def _now(self) -> _Token:
        return self._tokens[self._next]

    def _expression(self, level: int) -> Value | Condition:
        """What binds at least as tightly as `level`."""
        start = self._now
        left = self._first()
        while (sign := self._now).kind in ("sign", "name") and LEVELS.get(sign.text, -1) >= max(level, 1):
            if sign.text in ("not", "minus"):
                break
            self._next += 1
            right_start = self._now
            right = self._expression(LEVELS[sign.text] + 1)
            left = self._joined(sign, (start, left), (right_start, right))
        return left

    def _first(self) -> Value | Condition:
        token = self._now
        self._next += 1
        if token.kind == "number":
            return self._number(token)
        if token.text == "(":
            inside = self._expression(0)
            self._expect(")")
            return inside
        if token.text == "-":
            after = self._now
            return Negative(self._value(after, self._expression(LEVELS["minus"])))
        if token.text == "not" and token.kind == "name":
            after = self._now
            return Not(self._condition(after, self._expression(LEVELS["not"])))
        if token.kind == "name" and token.text not in _WORDS:
            return self._metric(token)
        fix = (
            "a metric or a number is missing here" if token.kind != "text" else "quotes belong inside drift('feature')"
        )
        raise self._wrong(token, fix)

    def _joined(
        self, sign: _Token, left: tuple[_Token, Value | Condition], right: tuple[_Token, Value | Condition]
    ) -> Value | Condition:
        if sign.text in ("and", "or"):
            return Logical("and" if sign.text == "and" else "or", self._condition(*left), self._condition(*right))
        if sign.text in _COMPARATORS and isinstance(left[1], Comparison):
            raise self._wrong(sign, "write two comparisons, joined by `and`")
        numbers = self._value(*left), self._value(*right)
        for comparator in _COMPARATORS:
            if sign.text == comparator:
                self._check_scale(sign, *numbers)
                return Comparison(comparator, *numbers)
        for calculation in ("+", "-", "*", "/"):
            if sign.text == calculation:
                return Arithmetic(calculation, *numbers)
        raise AssertionError(sign)

    def _number(self, token: _Token) -> Number:
        value, after = float(token.text), self._now
        unit: Unit = ""
        for one in UNITS:
            if one and after.text == one and after.kind in ("name", "sign"):
                self._next += 1
                unit = one
        if not unit and after.kind == "name" and after.at == token.end:
            units = ", ".join(filter(None, UNITS))
            raise self._wrong(after, f"there is no unit '{after.text}', use one of: {units}")
        number = Number(value, unit)
        if math.isinf(number.amount):
            raise self._wrong(token, "write a smaller number")
        return number

    def _metric(self, token: _Token) -> Metric:
        name = token.text
        known = METRIC_NAMES.get(name)
        if known is None:
            close = close_to(name, METRIC_NAMES)
            fix = f"did you mean '{close}'?" if close else f"use one of: {', '.join(METRIC_NAMES)}"
            raise self._wrong(token, f"there is no metric '{name}', {fix}")
        argument = ""
        if self._now.text == "(" and self._now.kind == "sign":
            self._next += 1
            given = self._now
            if given.kind != "text" or len(given.text) == 2:
                raise self._wrong(given, f"name a feature or a segment in quotes, such as {name}('age')")
            if not known.of:
                raise self._wrong(given, f"{name} is of the whole task: write {name} alone")
            self._next += 1
            argument = given.text[1:-1]
            self._expect(")")
        elif known.needed:
            raise self._wrong(token, f"say of which {known.of}, such as {name}('age')")
        return Metric(name, argument)

    def _check_scale(self, sign: _Token, left: Value, right: Value) -> None:
        """Numbers that a metric can never be near to are slips: `latency_p95 > 500` is of seconds."""
        for metric, number in ((left, right), (right, left)):
            if not isinstance(metric, Metric) or not isinstance(number, Number):
                continue
            scale, timed = METRIC_NAMES[metric.name].scale, number.unit in _TIMES
            if scale == "time" and not timed and number.value:
                raise self._wrong(sign, f"{metric.name} is a time: write a unit, such as 500ms or 2h")
            if scale != "time" and timed:
                meant = ", or M for millions" if number.unit == "m" else ""
                raise self._wrong(sign, f"{metric.name} is no time: leave out the unit '{number.unit}'{meant}")
            if scale == "share" and number.amount > 1:
                raise self._wrong(sign, f"{metric.name} is a share, 0 to 1: write such as 0.85 or 85%")

    def _condition(self, start: _Token, found: Value | Condition) -> Condition:
        if isinstance(found, Condition):
            return found
        raise self._wrong(start, "a comparison is needed here, such as accuracy < 0.85")

    def _value(self, start: _Token, found: Value | Condition) -> Value:
        if isinstance(found, Value):
            return found
        raise self._wrong(start, "a metric or a number is needed here, not a comparison")

    def _expect(self, sign: str) -> None:
        if self._now.text != sign:
            raise self._wrong(self._now, f"'{sign}' is missing here")
        self._next += 1

    def _unexpected(self) -> str:
        word = self._now.text
        if word.lower() in _WORDS and word not in _WORDS:
            return f"write '{word.lower()}'"
        return "write nothing more here" if word == ")" else "an operator is missing here, such as `and`"

    def _split(self) -> list[_Token]:
        tokens: list[_Token] = []
        at = 0
        while not tokens or tokens[-1].kind != "end":
            match = _TOKEN.match(self._text, at)
            if match is None:
                at += len(self._text[at:]) - len(self._text[at:].lstrip())
                sign = self._text[at]
                meant = f": {_MEANT[sign]}" if sign in _MEANT else ""
                raise self._wrong(_Token("", sign, at, at), f"{sign!r} means nothing here{meant}")
            kind = str(match.lastgroup)
            tokens.append(_Token(kind, match[kind], match.start(kind), match.end(kind)))
            at = match.end()
            if len(tokens) > LONGEST:
                raise self._wrong(tokens[-1], f"use at most {LONGEST} words, numbers and signs")
        return tokens

    def _wrong(self, token: _Token, fix: str) -> InvalidInput:
        value = f"{shown(self._text)}, at character {token.at + 1}"
        return InvalidInput(f"{self._field} is not a condition", Fault(self._field, value, fix))
