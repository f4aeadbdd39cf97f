from __future__ import annotations

from pathlib import Path

import pytest

from tropism.core.errors import Fault, ProjectInvalid
from tropism.features import Entity, FeatureView, OnDemand, StreamSource
from tropism.project import load_features, load_project

HEAD = """\
from tropism.features import Entity, FeatureView, Field, OnDemand, ParquetSource, StreamSource, agg, on_demand
account = Entity("account", key="account_id")
payments = StreamSource("payments", timestamp="at", schema={"account_id": str, "amount": float})
profiles = ParquetSource("profiles/*.parquet", timestamp="at")
"""
TASK = """\
from tropism import Feature, Task
task = Task(name="payments", kind="binary", target="y", features=(Feature("a"),))
"""


def project(folder: Path, text: str) -> Path:
    path = folder / "project.py"
    path.write_text(text)
    return path


def view(*lines: str, name: str = "spend") -> str:
    """A file whose view has these lines, of which the first is line 6."""
    return HEAD + "spend = FeatureView(\n" + "".join(f"    {line}\n" for line in lines) + f'    name="{name}",\n)\n'


FINE = ("entity=account,", "source=payments,", 'fields=[agg.count("7d")],')
PLAIN = ("entity=account,", "source=profiles,")


def only_fault(folder: Path, text: str) -> Fault:
    with pytest.raises(ProjectInvalid) as refused:
        load_features(project(folder, text))
    assert "Traceback" not in str(refused.value)
    (fault,) = refused.value.faults
    return fault


def test_what_is_bound_to_a_name_or_in_a_list_is_found_once(tmp_path: Path) -> None:
    text = (
        view(*FINE)
        + 'more = [FeatureView("profile", entity=account, source=profiles, fields=[Field("a")]), spend]\n'
        + 'ratio = on_demand(lambda f, request: 1.0, name="ratio")\nnumbers = (1, 2)\nsame = account\n'
    )
    found = load_features(project(tmp_path, text))
    assert [(type(one), one.name) for one in found] == [
        (Entity, "account"),
        (StreamSource, "payments"),
        (FeatureView, "spend"),
        (FeatureView, "profile"),
        (OnDemand, "ratio"),
    ]


def test_features_and_tasks_live_in_one_file_or_without_each_other(tmp_path: Path) -> None:
    both = project(tmp_path, view(*FINE) + TASK)
    assert [task.name for task in load_project(both)] == ["payments"]
    assert [one.name for one in load_features(both)] == ["account", "payments", "spend"]
    assert load_features(project(tmp_path, TASK)) == ()
    assert len(load_features(project(tmp_path, view(*FINE)))) == 3


@pytest.mark.parametrize(
    ("lines", "field", "value", "fix"),
    [
        ((*FINE, 'ttll="1d",'), "project.py:9", "'ttll'", "did you mean 'ttl'?"),
        ((*FINE, 'ttl="-1d",'), "project.py:9 ttl", "'-1d'", "such as 90s"),
        ((*FINE, "ttl=5,"), "project.py:9 ttl", "5", "use text in quotes or None"),
        ((*FINE, "owner=5,"), "project.py:9 owner", "5", "use text in quotes"),
        ((*FINE, 'known="later",'), "project.py:9 known", "'later'", "event"),
        ((*FINE[:2], 'fields=[agg.count("7d", hopp="1d")],'), "project.py:8", "'hopp'", "did you mean 'hop'?"),
        ((*FINE[:2], 'fields=[agg.mean("nix", "7d")],'), "project.py:8 fields.mean_nix_7d", "'nix'", "no such"),
        ((*FINE[:2], 'fields=[agg.count("1h", hop="2h")],'), "project.py:8 hop", "'2h'", "at most the window"),
        ((*FINE[:2], 'fields=["amount"],'), "project.py:8 fields[0]", "'amount'", "write Field(...)"),
        ((*FINE[:2], "fields=5,"), "project.py:8 fields", "5", "use a list: fields="),
        ((*PLAIN, 'fields=[Field("a", list)],'), "project.py:8 type", "<class 'list'>", "use float, int"),
        ((*PLAIN, 'fields=[Field("A!")],'), "project.py:8 name", "'A!'", "a-z"),
        (("entity='account',", *FINE[1:]), "project.py:6 entity", "'account'", "write Entity(...)"),
        (("entity=account,", "source='a.parquet',", 'fields=[Field("a")],'), "project.py:7 source", "'a.par", "Parq"),
        (FINE[:2], "project.py:5", "", "add fields=..."),
    ],
)
def test_a_mistake_names_its_line_and_the_fix(
    tmp_path: Path, lines: tuple[str, ...], field: str, value: str, fix: str
) -> None:
    fault = only_fault(tmp_path, view(*lines))
    assert fault.field == field
    assert fault.value.startswith(value)
    assert fix in fault.fix


@pytest.mark.parametrize(
    ("line", "field", "fix"),
    [
        ('e = Entity("e", key=5)', "project.py:5 key", "text in quotes"),
        ('e = Entity("e", key=[])', "project.py:5 key", "at least one column"),
        ('e = Entity("e")', "project.py:5", "add key=..."),
        ('e = Entity("e", "a", "b", "c")', "project.py:5", "name the arguments: name=, key="),
        ('s = StreamSource("s", timestamp="at", schema={"at": str})', "project.py:5 schema.at", "datetime"),
        ('s = StreamSource("s", timestamp="at", schema=5)', "project.py:5 schema", "5"),
        ('r = on_demand(lambda f: 1.0, name="r")', "project.py:5 function", "features and request"),
        ('r = on_demand(lambda f, request: 1.0, nme="r")', "project.py:5", "mend this line"),
    ],
)
def test_mistakes_in_the_other_definitions(tmp_path: Path, line: str, field: str, fix: str) -> None:
    fault = only_fault(tmp_path, HEAD + line + "\n")
    assert fault.field == field
    assert fix in f"{fault.value} {fault.fix}"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('again = FeatureView("a", entity=account, source=profiles, fields=[Field("x")])', "two feature views"),
        ('again = Entity("a", key="x")', "two entities"),
        ('again = on_demand(lambda f, request: 1.0, name="a")', "two on-demand features"),
    ],
)
def test_two_of_one_name_name_both_lines(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(ProjectInvalid, match=message) as refused:
        load_features(project(tmp_path, f"{HEAD}{line}\n{line.replace('again', 'other')}\n"))
    (fault,) = refused.value.faults
    assert fault.field == "project.py:5, 6"
