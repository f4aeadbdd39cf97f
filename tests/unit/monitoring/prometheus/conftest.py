from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

Promtool = Callable[..., str]
Series = Mapping[str, str]
Check = Callable[[str, Series, Mapping[str, Sequence[Mapping[str, Any]]]], None]


@pytest.fixture(scope="session")
def promtool() -> Promtool:
    """Runs it and returns what it printed; it must find no fault."""
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("promtool comes with Prometheus: apt-get install prometheus")
    program = found

    def run(*arguments: object, text: str = "") -> str:
        words = [program, *map(str, arguments)]
        done = subprocess.run(words, input=text, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    return run


@pytest.fixture
def check(promtool: Promtool, tmp_path: Path) -> Check:
    """Evaluates exported rules every minute over series, and compares results of expressions.

    `series`: values a minute, by series. `expected`: of expressions, what holds at which times.
    """

    def run(rules: str, series: Series, expected: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
        (tmp_path / "rules.yml").write_text(rules)
        asked = [{"expr": expression, **one} for expression, found in expected.items() for one in found]
        given = [{"series": name, "values": values} for name, values in series.items()]
        test = {"interval": "1m", "input_series": given, "promql_expr_test": asked}
        file = {"rule_files": ["rules.yml"], "evaluation_interval": "1m", "tests": [test]}
        (tmp_path / "test.yml").write_text(json.dumps(file))
        promtool("test", "rules", tmp_path / "test.yml")

    return run
