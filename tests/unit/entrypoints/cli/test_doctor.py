from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tropism.wiring import Platform

Command = Callable[..., Any]


def test_a_healthy_project(
    shop: Command, platform: Platform, register: Callable[..., int], live: Callable[..., list[str]]
) -> None:
    register()
    live(10)
    said = shop("doctor")
    assert said.code == 0
    lines = said.out.splitlines()
    assert [line[:8] for line in lines] == ["   ok  a", "   ok  c", "   ok  a", "   ok  j", "   ok  d"]
    assert lines[0] == "   ok  artifacts: 1 version loaded, every hash and format checked"
    assert lines[3] == "   ok  journal: 20 records"


def test_what_is_wrong_is_named_and_counted(shop: Command, platform: Platform, register: Callable[..., int]) -> None:
    for seed in (1, 2):
        platform.blobs.delete(platform.registry.versions.get("payments", register(seed)).artifact)
    said = shop("doctor")
    assert said.code == 1
    lines = said.out.splitlines()
    assert lines[0].startswith("WRONG  artifacts: ")
    assert lines[1].startswith("         payments version 1: ")
    assert lines[-1] == "2 things wrong"
    assert lines[-2].startswith("   ok  disk")
