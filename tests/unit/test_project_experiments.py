from __future__ import annotations

from pathlib import Path

import pytest

from tropism.core.errors import Fault, ProjectInvalid
from tropism.core.experiment import Ramp, Variant
from tropism.project import load_experiments, load_project

HEAD = """\
from tropism import Experiment, Feature, Metric, Namespace, Ramp, Task, Variant
payments = Task(name="payments", kind="binary", target="y", features=(Feature("a"),))
"""
FINE = ('task="payments",', 'mode="canary",', 'variants=[Variant(name="now"), Variant(name="new", version=2)],')


def project(folder: Path, text: str) -> Path:
    path = folder / "project.py"
    path.write_text(text)
    return path


def experiment(*lines: str, name: str = "trees") -> str:
    """A file that makes an experiment with these lines, of which the first is line 4."""
    return HEAD + "trees = Experiment(\n" + "".join(f"    {line}\n" for line in lines) + f'    name="{name}",\n)\n'


def mistake(folder: Path, text: str) -> ProjectInvalid:
    with pytest.raises(ProjectInvalid) as refused:
        load_experiments(project(folder, text))
    assert "Traceback" not in str(refused.value)
    return refused.value


def only_fault(folder: Path, text: str) -> Fault:
    (fault,) = mistake(folder, text).faults
    return fault


def test_experiments_live_beside_tasks(tmp_path: Path) -> None:
    path = project(tmp_path, experiment(*FINE, 'ramp=Ramp(steps=[0.1, 1.0], hold="1h"),') + "more = [trees]\n")
    (found,) = load_experiments(path)
    assert (found.name, found.ramp) == ("trees", Ramp(steps=(0.1, 1.0), hold="1h"))
    assert found.variants == (Variant(name="now"), Variant(name="new", version=2))
    assert [task.name for task in load_project(path)] == ["payments"]
    assert load_experiments(project(tmp_path, HEAD)) == ()


@pytest.mark.parametrize(
    ("lines", "field", "value", "fix"),
    [
        ((*FINE, "hodlout=0.1,"), "project.py:7", "'hodlout'", "did you mean 'holdout'?"),
        ((*FINE, "holdout=1.5,"), "project.py:7 holdout", "1.5", "use a share from 0"),
        ((*FINE, "holdout='a',"), "project.py:7 holdout", "'a'", "use a number"),
        ((*FINE, "description=5,"), "project.py:7 description", "5", "use text in quotes"),
        ((*FINE, "targeting='a = 1',"), "project.py:7 targeting", '"a = 1", at ch', "write == to compare"),
        ((*FINE, "unit='user',"), "project.py:7 unit", "'user'", "use one of: entity, unit"),
        ((*FINE, "ramp=0.5,"), "project.py:7 ramp", "0.5", "use Ramp(...) or None"),
        ((*FINE, "ramp=Ramp(\n steps=(0.5, 0.1)),"), "project.py:8 ramp.steps", "[0.5, 0.1]", "make each step larger"),
        (
            (*FINE, "metrics=[Metric(name='m', kind='mode')],"),
            "project.py:7 metrics[0].kind",
            "'mode'",
            "use one of: mean",
        ),
        ((*FINE, "metrics=[Metric(name='m')],"), "project.py:7 metrics", "none with", "exactly one metric"),
        ((*FINE[:2], "variants=Variant(name='a'),"), "project.py:6 variants", "", "use a tuple: variants="),
        ((*FINE[:2], "variants=('a', 'b'),"), "project.py:6 variants[0]", "'a'", "write Variant(...)"),
        (
            (*FINE[:2], "variants=(Variant(name='a'),\n Variant(name='b', version='2')),"),
            "project.py:7 variants[1].version",
            "'2'",
            "use a whole number or None",
        ),
        ((*FINE[:2], "variants=(Variant(name='a'),),"), "project.py:6 variants", "a", "at least one treatment"),
        ((*FINE[:1], "mode='canry',", FINE[2]), "project.py:5 mode", "'canry'", "use one of: "),
        ((FINE[0], FINE[2]), "project.py:3", "", "add mode="),
        (("task='payment',", *FINE[1:]), "project.py:4 task", "'payment'", "did you mean 'payments'?"),
    ],
)
def test_a_mistake_names_its_line_and_the_fix(
    tmp_path: Path, lines: tuple[str, ...], field: str, value: str, fix: str
) -> None:
    fault = only_fault(tmp_path, experiment(*lines))
    assert fault.field.endswith(field)
    assert fault.field.startswith("project.py:")
    assert fault.value.startswith(value)
    assert fix in fault.fix


def test_parameters_are_what_json_has(tmp_path: Path) -> None:
    text = experiment(*FINE[:2], "variants=(Variant(name='a'), Variant(name='b', parameters={'x': object})),")
    fault = only_fault(tmp_path, text)
    assert fault.field == "project.py:6 variants"
    assert "JSON" in fault.fix
    (found,) = load_experiments(project(tmp_path, text.replace("object", "(1, 2)")))
    assert found.variants[1].parameters == {"x": [1, 2]}


def test_two_of_one_name_name_both_lines(tmp_path: Path) -> None:
    line = 'x = Experiment(name="x", task="payments", mode="ab", variants=(Variant(name="a"), Variant(name="b")))\n'
    error = mistake(tmp_path, HEAD + line + line.replace("x =", "y ="))
    assert error.message == "two experiments have one name"
    assert error.faults[0].field == "project.py:3, 4"


def test_arguments_without_names(tmp_path: Path) -> None:
    assert "name the arguments: name=" in only_fault(tmp_path, HEAD + 'a = Variant("now")\n').fix
