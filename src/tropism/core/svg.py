"""SVG elements as text. Every attribute and every text is escaped here, once."""

from __future__ import annotations

import re
from html import escape

_NO_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
"""Characters that no XML may have, however they are written."""


def element(name: str, *children: str, **attributes: object) -> str:
    """An element; underscores in attribute names become hyphens, a trailing one is dropped.

    >>> element("text", text("a < b"), class_="tick", x=1.256)
    '<text class="tick" x="1.3">a &lt; b</text>'
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{text(_value(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return f"<{name}{written}>{''.join(children)}</{name}>"


def text(content: object) -> str:
    """Text that is safe between tags; what XML has no way to say is a question mark.

    >>> text("a\\x0b<b>")
    'a?&lt;b&gt;'
    """
    return escape(_NO_XML.sub("?", str(content)))


def label(content: object, x: float, y: float, class_: str, anchor: str = "start") -> str:
    return element("text", text(content), x=x, y=y, class_=class_, text_anchor=anchor)


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> str:
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def hover(sentence: str, *children: str, class_: str | None = None) -> str:
    """A group that shows a sentence when pointed at, and that a screen reader reads."""
    return element("g", element("title", text(sentence)), *children, class_=class_, role="img", aria_label=sentence)


def figure(ident: str, width: float, height: float, title: str, description: str, *children: str, class_: str) -> str:
    """A whole drawing that scales with its column and says what it shows."""
    return element(
        "svg",
        element("title", text(title), id=f"{ident}-title"),
        element("desc", text(description), id=f"{ident}-desc"),
        *children,
        viewBox=f"0 0 {width:g} {height:g}",
        class_=class_,
        role="group",
        aria_labelledby=f"{ident}-title {ident}-desc",
    )


def _value(value: object) -> str:
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)
