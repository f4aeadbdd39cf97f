from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tropism.core.errors import Fault, ProjectInvalid
from tropism.core.task import Feature, Policy, Task
from tropism.project import load_project

HEAD = "from tropism import Feature, Gate, Policy, Task, Triggers\n"


def project(folder: Path, text: str | bytes) -> Path:
    path = folder / "project.py"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def task(*lines: str, name: str = "payments") -> str:
    """A file that makes a task with these lines, of which the first is line 3."""
    return HEAD + "payments = Task(\n" + "".join(f"    {line}\n" for line in lines) + f'    name="{name}",\n)\n'


def mistake(folder: Path, text: str | bytes) -> ProjectInvalid:
    with pytest.raises(ProjectInvalid) as refused:
        load_project(project(folder, text))
    assert "Traceback" not in str(refused.value)
    return refused.value


def only_fault(folder: Path, text: str | bytes) -> Fault:
    (fault,) = mistake(folder, text).faults
    return fault


FINE = ('kind="binary",', 'target="y",', 'features=[Feature("a")],')


def test_tasks_come_in_the_order_of_their_names_in_the_file(tmp_path: Path) -> None:
    text = HEAD + "".join(
        f'{name} = Task(name="{name}", kind="binary", target="y", features=[Feature("a")])\n' for name in "zab"
    )
    tasks = load_project(project(tmp_path, text + "same = z\nnumber = 5\n"))
    assert [one.name for one in tasks] == ["z", "a", "b"]


def test_lists_become_what_the_platform_works_with(tmp_path: Path) -> None:
    text = task(*FINE, "learners=['linear', 'lightgbm'],", "policy=Policy(recent=500),")
    assert load_project(project(tmp_path, text)) == (
        Task(
            name="payments",
            kind="binary",
            target="y",
            features=(Feature("a"),),
            learners=("linear", "lightgbm"),
            policy=Policy(recent=500),
        ),
    )


def test_a_project_may_import_what_lies_beside_it(tmp_path: Path) -> None:
    (tmp_path / "features_beside_it.py").write_text("NAME = 'amount'\n")
    text = "from features_beside_it import NAME\n" + task(*FINE[:2], "features=[Feature(NAME)],")
    before = list(sys.path)
    assert load_project(project(tmp_path, text))[0].feature_names == ("amount",)
    assert sys.path == before


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ProjectInvalid, match=r"there is no project\.py") as refused:
        load_project(tmp_path / "project.py")
    assert "tropism init" in refused.value.faults[0].fix


def test_a_folder_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "project.py").mkdir()
    with pytest.raises(ProjectInvalid, match="cannot be read"):
        load_project(tmp_path / "project.py")


@pytest.mark.parametrize(
    ("text", "line"),
    [(HEAD + "x = Task(\n", 2), ("x =\n", 1), (HEAD + "\nif x\n", 3), (b"x = '\xff'\n", 1), ("a\0b", 1)],
)
def test_a_file_that_does_not_parse_names_the_line(tmp_path: Path, text: str | bytes, line: int) -> None:
    error = mistake(tmp_path, text)
    assert "project.py does not parse" in error.message
    assert error.faults[0].field == f"project.py:{line}"


@pytest.mark.parametrize(
    ("wrong", "field", "value", "fix"),
    [
        ('targt="y",', "project.py:6", "'targt'", "did you mean 'target'?"),
        ("zzz=1,", "project.py:6", "'zzz'", "use one of: name, kind"),
        ("policy=Policy(\n        gate=Gate(\n            alpa=1)),", "project.py:8", "'alpa'", "mean 'alpha'?"),
        ("policy=Policy(windows=('alll',)),", "project.py:6 policy.windows", "'alll'", "since-change"),
        ("policy=Policy(\n        recent='many'),", "project.py:7 policy.recent", "'many'", "use a whole number"),
        ("policy=Policy(gate=Gate(alpha='x')),", "project.py:6 policy.gate.alpha", "'x'", "use a number"),
        ("policy=Policy(approval='yes'),", "project.py:6 policy.approval", "'yes'", "use True or False"),
        ("policy=5,", "project.py:6 policy", "5", "write Policy(...)"),
        ('learners="lightgbm",', "project.py:6 learners", "'lightgbm'", "use a tuple"),
        ('learners=("lightgbmm",),', "project.py:6 learners", "'lightgbmm'", "did you mean 'lightgbm'?"),
        ('learners=("forest-of-oaks",),', "project.py:6 learners", "'forest-of-oaks'", "use one of: "),
        ("outcome_window=7,", "project.py:6 outcome_window", "7", "use text in quotes"),
        ('outcome_window="7 parsecs",', "project.py:6 outcome_window", "'7 parsecs'", "90s, 6h or 2d"),
        ("entity=5,", "project.py:6 entity", "5", "use text in quotes or None"),
        ('metric="mae",', "project.py:6 metric", "'mae'", "brier"),
        ('unanswered="maybe",', "project.py:6 unanswered", "'maybe'", "'exclude'"),
        ('classes=("a", "b"),', "project.py:6 classes", "['a', 'b']", "leave it out"),
    ],
)
def test_a_wrong_argument_names_its_line_and_the_fix(
    tmp_path: Path, wrong: str, field: str, value: str, fix: str
) -> None:
    fault = only_fault(tmp_path, task(*FINE, wrong))
    assert (fault.field, fault.value) == (field, value)
    assert fix in fault.fix


@pytest.mark.parametrize(
    ("features", "field", "value", "fix"),
    [
        ("'ab'", "project.py:5 features", "'ab'", 'features=(Feature("a")'),
        ("('a', 'b')", "project.py:5 features[0]", "'a'", "write Feature(...)"),
        (
            '[Feature("a"),\n  Feature("b", type="numbr")]',
            "project.py:6 features[1].type",
            "'numbr'",
            "boolean, category, number",
        ),
        ('[Feature("a"),\n  Feature("b",\n  "numbr")]', "project.py:7 features[1].type", "'numbr'", "boolean"),
        ('[Feature("a", minimum="x")]', "project.py:5 features[0].minimum", "'x'", "use a number or None"),
        ('[Feature("a"), Feature("a")]', "project.py:5 features", "'a'", "once"),
        ('[Feature("a"),\n  Feature("b", minimum=3, maximum=2)]', "project.py:6 features.b.minimum", "3", "at most 2"),
        ('[Feature("y")]', "project.py:5 features", "'y'", "not the target's"),
        ("[]", "project.py:5 features", "none", "at least one feature"),
    ],
)
def test_a_wrong_feature_names_its_line_and_the_fix(
    tmp_path: Path, features: str, field: str, value: str, fix: str
) -> None:
    fault = only_fault(tmp_path, task(*FINE[:2], f"features={features},"))
    assert (fault.field, fault.value) == (field, value)
    assert fix in fault.fix


def test_one_feature_without_a_tuple_around_it(tmp_path: Path) -> None:
    fault = only_fault(tmp_path, task(*FINE[:2], 'features=Feature("a"),'))
    assert fault.field == "project.py:5 features"
    assert "use a tuple" in fault.fix


def test_every_fault_of_a_task_is_named_at_once(tmp_path: Path) -> None:
    error = mistake(tmp_path, task(*FINE, 'metric="mae",', 'outcome_window="long",', "policy=Policy(recent=1),"))
    assert [fault.field for fault in error.faults] == [
        "project.py:6 metric",
        "project.py:7 outcome_window",
        "project.py:8 policy.recent",
    ]


def test_a_kind_that_does_not_exist(tmp_path: Path) -> None:
    fault = only_fault(tmp_path, task('kind="binry",', 'target="y",', 'features=[Feature("a")],'))
    assert (fault.field, fault.value) == ("project.py:3 kind", "'binry'")
    assert fault.fix == "use one of: binary, multiclass, regression"


def test_a_missing_argument_is_named(tmp_path: Path) -> None:
    fault = only_fault(tmp_path, task('kind="binary",', 'features=[Feature("a")],'))
    assert fault.field == "project.py:2"
    assert "add target=" in fault.fix


def test_arguments_without_names(tmp_path: Path) -> None:
    assert "name the arguments" in only_fault(tmp_path, HEAD + 'a = Task("payments", "binary")\n').fix


def test_a_name_that_is_no_text(tmp_path: Path) -> None:
    fault = only_fault(tmp_path, HEAD + 'a = Task(name=5, kind="binary", target="y", features=[Feature("a")])\n')
    assert (fault.field, fault.value, fault.fix) == ("project.py:2 name", "5", "use text in quotes")


def test_two_tasks_of_one_name_name_both_lines(tmp_path: Path) -> None:
    error = mistake(tmp_path, task(*FINE) + task(*FINE).replace("payments = ", "again = "))
    assert error.message == "two tasks have one name"
    assert (error.faults[0].field, error.faults[0].value) == ("project.py:2, 9", "'payments'")


@pytest.mark.parametrize("text", ["", "x = 1\n", HEAD + 'tasks = [Feature("a")]\n'])
def test_a_file_without_a_task_shows_how_to_write_one(tmp_path: Path, text: str) -> None:
    error = mistake(tmp_path, text)
    assert error.message == "project.py declares no task"
    assert "payments = Task(" in error.faults[0].fix


@pytest.mark.parametrize(
    ("text", "reason", "line"),
    [
        ("x = 1\n\n1/0\n", "ZeroDivisionError: division by zero", 3),
        ("raise SystemExit(3)\n", "SystemExit: 3", 1),
        ("assert False\n", "AssertionError", 1),
        ("def f():\n    raise ValueError('no')\n\nf()\n", "ValueError: no", 2),
        ("from tropism import Tsk\n", "cannot import name 'Tsk'", 1),
    ],
)
def test_code_that_raises_names_the_line(tmp_path: Path, text: str, reason: str, line: int) -> None:
    error = mistake(tmp_path, text)
    assert reason in error.message
    assert error.faults[0].field == f"project.py:{line}"


def test_a_module_that_is_missing_is_named(tmp_path: Path) -> None:
    fault = only_fault(tmp_path, "\nimport no_such_module\n")
    assert (fault.field, fault.value) == ("project.py:2", "'no_such_module'")
    assert "install it" in fault.fix


def test_a_task_made_by_a_function_of_the_file(tmp_path: Path) -> None:
    text = HEAD + 'def make(name):\n    return Task(name=name, kind="binry", target="y", features=[Feature("a")])\n'
    assert only_fault(tmp_path, text + 'a = make("s")\n').field == "project.py:3 kind"
    late = text.replace("binry", "binary").replace('Feature("a")', 'Feature("a", type="x")')
    assert only_fault(tmp_path, late + 'a = make("s")\n').field == "project.py features[0].type"
