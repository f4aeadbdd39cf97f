from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from tropism.config import LogSettings, load_settings
from tropism.core.errors import SettingInvalid

_SAYS = """
import logging, msgspec
from tropism.config import LogSettings
from tropism.entrypoints.logs import log_to_stderr
log_to_stderr(msgspec.json.decode({settings!r}, type=LogSettings), "worker")
log = logging.getLogger("tropism.loop")
log.info("version %d of '%s' is the champion", 3, "price", extra={{"task": "price", "what": {{1}}}})
try:
    1 / 0
except ZeroDivisionError:
    log.exception("a turn failed")
"""


def said(**settings: Any) -> list[str]:
    """Lines on standard error of a process that logs."""
    script = _SAYS.format(settings=json.dumps(settings))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return done.stderr.splitlines()


def test_people_read_a_line_for_each_event() -> None:
    assert "INFO tropism.loop: version 3 of 'price' is the champion" in said()[0]


def test_a_collector_reads_an_object_for_each_event_with_its_traceback() -> None:
    first, second = (json.loads(line) for line in said(format="json"))
    assert first["timestamp"].endswith("Z") and first["process"] == "worker"
    assert (first["level"], first["logger"]) == ("info", "tropism.loop")
    assert first["event"] == "version 3 of 'price' is the champion" and first["task"] == "price"
    assert "ZeroDivisionError" in second["exception"]


def test_what_is_below_the_level_is_not_logged() -> None:
    lines = said(format="json", level="error")
    assert [json.loads(line)["event"] for line in lines] == ["a turn failed"]


def test_a_format_that_there_is_not_is_refused() -> None:
    with pytest.raises(SettingInvalid, match=r"logs\.format"):
        load_settings(environment={"TROPISM_LOGS_FORMAT": "xml"})
    assert load_settings(environment={"TROPISM_LOGS_FORMAT": "json"}).logs == LogSettings(format="json")
