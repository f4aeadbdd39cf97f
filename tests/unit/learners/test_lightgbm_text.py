"""The audit before LightGBM's native parser. Each case keeps everything else sound, sizes included, so that it is
refused for what it changes and not because the text no longer adds up."""

from __future__ import annotations

import re
from collections.abc import Callable

import lightgbm
import numpy as np
import pytest

from tropism.core.errors import ArtifactRefused
from tropism.learners import lightgbm_text
from tropism.learners.base import Shape
from tropism.learners.lightgbm_text import audit, canonical, column_names, with_constants

SHAPE = Shape("binary", 1, 3)


@pytest.fixture(scope="module")
def model() -> str:
    """Twelve trees over two numbers and a category, with categorical splits and missing values."""
    rng = np.random.default_rng(3)
    matrix = np.column_stack([rng.normal(size=(800, 2)), rng.integers(0, 40, 800)]).astype(np.float64)
    labels = (matrix[:, 0] + (matrix[:, 2] % 3 == 0) + rng.normal(size=800) > 0.3).astype(np.float64)
    matrix[rng.random((800, 3)) < 0.1] = np.nan
    settings = {"objective": "binary", "num_leaves": 9, "min_data_per_group": 10, "verbosity": -1, "num_threads": 1}
    rows = lightgbm.Dataset(matrix, labels, categorical_feature=["f2"], feature_name=column_names(3), params=settings)
    text = canonical(lightgbm.train(settings, rows, 12).model_to_string()).decode()
    assert "\ncat_boundaries=" in text
    return text


def rebuilt(head: str, blocks: list[str]) -> bytes:
    sizes = " ".join(str(len(block)) for block in blocks)
    head = re.sub(r"^tree_sizes=.*$", lambda _: f"tree_sizes={sizes}", head, flags=re.MULTILINE)
    return f"{head}\n\n{''.join(blocks)}end of trees\n".encode()


def parts(model: str) -> tuple[str, list[str]]:
    head, _, body = model.partition("\n\n")
    return head, re.findall(r"Tree=\d+\n.*?\n\n\n?", body, flags=re.DOTALL)


def with_field(model: str, field: str, change: Callable[[list[str]], list[str]]) -> bytes:
    """The model with one field changed, in the first tree that has it."""
    head, blocks = parts(model)
    index = next(i for i, block in enumerate(blocks) if f"\n{field}=" in block)
    blocks[index] = re.sub(rf"(?<=\n{field}=).*", lambda m: " ".join(change(m[0].split(" "))), blocks[index], count=1)
    return rebuilt(head, blocks)


def with_header(model: str, field: str, value: str) -> bytes:
    return re.sub(rf"^{field}=.*$", lambda _: f"{field}={value}", model, count=1, flags=re.MULTILINE).encode()


def refused(data: bytes, shape: Shape = SHAPE) -> str:
    with pytest.raises(ArtifactRefused) as caught:
        audit(data, shape)
    return caught.value.faults[0].field


def put(index: int, value: str) -> Callable[[list[str]], list[str]]:
    def change(tokens: list[str]) -> list[str]:
        tokens[index] = value
        return tokens

    return change


def test_a_sound_model_passes_and_tells_its_trees_and_gains(model: str) -> None:
    head, blocks = parts(model)
    assert rebuilt(head, blocks) == model.encode()
    ensemble = audit(model.encode(), SHAPE)
    assert ensemble.trees == 12
    booster = lightgbm.Booster(model_str=model)
    np.testing.assert_allclose(ensemble.gains, booster.feature_importance("gain"), rtol=1e-5)


def test_text_cut_off_anywhere_is_refused(model: str) -> None:
    data = model.encode()
    for end in [*range(0, 400, 7), *range(400, len(data), 211), len(data) - 1]:
        refused(data[:end])


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("split_feature", put(0, "3")),
        ("split_feature", put(0, "-1")),
        ("split_feature", put(0, "99999999999999999999")),
        ("split_feature", put(0, "1e0")),
        ("split_feature", lambda tokens: tokens[1:]),
        ("left_child", put(0, "800")),
        ("left_child", put(0, "-10")),
        ("left_child", put(0, "0")),
        ("left_child", lambda tokens: [*tokens[:-1], "0"]),
        ("right_child", lambda tokens: [tokens[1], *tokens[1:]]),
        ("threshold", put(0, "inf")),
        ("threshold", put(0, "nan")),
        ("threshold", put(0, "1e999")),
        ("threshold", put(0, "0x10")),
        ("threshold", put(0, "1_0")),
        ("threshold", put(0, "")),
        ("leaf_value", put(0, "nan")),
        ("leaf_value", put(0, "-inf")),
        ("leaf_value", put(0, "1e300")),
        ("leaf_value", lambda tokens: tokens[:-1]),
        ("leaf_value", lambda tokens: [*tokens, "1"]),
        ("leaf_weight", put(0, "x")),
        ("internal_count", put(0, "1.5")),
        ("split_gain", put(0, "inf")),
        ("decision_type", put(0, "12")),
        ("decision_type", put(0, "-1")),
        ("decision_type", put(0, "64")),
        ("num_leaves", put(0, "0")),
        ("num_leaves", put(0, "-5")),
        ("num_leaves", put(0, "2000000000")),
        ("num_leaves", put(0, "8")),
        ("num_cat", put(0, "7")),
        ("num_cat", put(0, "-1")),
        ("cat_boundaries", put(0, "1")),
        ("cat_boundaries", put(-1, "4000000000")),
        ("cat_boundaries", put(-1, "-1")),
        ("cat_boundaries", put(-1, "0")),
        ("cat_threshold", put(0, "-1")),
        ("cat_threshold", put(0, "4294967296")),
        ("is_linear", put(0, "1")),
        ("shrinkage", put(0, "nan")),
    ],
)
def test_a_number_that_the_native_code_could_not_follow_is_named(
    model: str, field: str, change: Callable[[list[str]], list[str]]
) -> None:
    named = refused(with_field(model, field, change))
    # The first check that notices may look at a field that this one has to agree with.
    assert named.startswith("Tree=")


def test_a_cycle_and_a_node_with_two_parents_are_refused(model: str) -> None:
    head, blocks = parts(model)
    block = next(block for block in blocks if "\nnum_leaves=9\n" in block)
    # Nodes 6 and 7 point at each other; every leaf and node still hangs exactly once.
    cycle = re.sub(r"\nleft_child=.*", "\nleft_child=1 2 3 4 5 -1 7 6", block)
    cycle = re.sub(r"\nright_child=.*", "\nright_child=-2 -3 -4 -5 -6 -7 -8 -9", cycle)
    assert refused(rebuilt(head, [cycle.replace(block.split("\n")[0], "Tree=0", 1)])) == "Tree=0.left_child"
    twice = re.sub(r"\nleft_child=.*", "\nleft_child=1 2 3 4 5 6 7 7", block)
    assert refused(rebuilt(head, [twice.replace(block.split("\n")[0], "Tree=0", 1)])) == "Tree=0.left_child"


def test_a_categorical_split_without_its_own_set_is_refused(model: str) -> None:
    head, blocks = parts(model)
    index = next(i for i, block in enumerate(blocks) if re.search(r"\nnum_cat=[2-9]", block))
    types = re.search(r"\ndecision_type=(.*)", blocks[index])
    assert types is not None
    place = next(i for i, kind in enumerate(types[1].split(" ")) if int(kind) & 1)
    thresholds = re.search(r"(?<=\nthreshold=).*", blocks[index])
    assert thresholds is not None
    for bad in ("57", "-1", "0.5", "1e9"):
        changed = blocks.copy()
        line = " ".join(put(place, bad)(thresholds[0].split(" ")))
        changed[index] = changed[index].replace(thresholds[0], line)
        assert refused(rebuilt(head, changed)) == f"Tree={index}.threshold"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("version", "v3"),
        ("num_class", "2"),
        ("num_tree_per_iteration", "0"),
        ("label_index", "-1"),
        ("max_feature_idx", "4000000000"),
        ("max_feature_idx", "1"),
        ("objective", "regression"),
        ("objective", "custom"),
        ("feature_names", "f0 f1"),
        ("feature_names", "f0 f1 evil"),
        ("feature_infos", "none none"),
        ("feature_infos", "none none $(x)"),
        ("tree_sizes", ""),
        ("tree_sizes", "1 2 3"),
        ("tree_sizes", "-5"),
        ("tree_sizes", " ".join(["1"] * 30_000)),
    ],
)
def test_a_header_that_does_not_fit_is_refused(model: str, field: str, value: str) -> None:
    refused(with_header(model, field, value))


def test_a_wrong_count_of_trees_is_refused(model: str) -> None:
    head, blocks = parts(model)
    refused(rebuilt(head, []))
    refused(rebuilt(head, blocks[1:]))
    refused(rebuilt(head, [blocks[0], blocks[0]]))
    sizes = " ".join(str(len(block)) for block in blocks[:-1])
    refused(with_header(model, "tree_sizes", sizes))
    three = model.replace("num_class=1", "num_class=3").replace("num_tree_per_iteration=1", "num_tree_per_iteration=3")
    three = three.replace("binary sigmoid:1", "multiclass num_class:3")
    audit(three.encode(), Shape("multiclass", 3, 3))
    head, blocks = parts(three)
    assert refused(rebuilt(head, blocks[:11]), Shape("multiclass", 3, 3)) == "tree_sizes"


def test_unknown_and_repeated_sections_are_refused(model: str) -> None:
    refused((model + "\nparameters:\n[boosting: gbdt]\nend of parameters\n").encode())
    refused((model + "\npandas_categorical:null\n").encode())
    refused(model.replace("version=v4\n", "version=v4\nmonotone_constraints=0 0 0\n").encode())
    refused(model.replace("version=v4\n", "version=v4\nversion=v4\n").encode())
    refused(model.replace("version=v4\n", "version=v4\naverage_output\naverage_output\n").encode())
    head, blocks = parts(model)
    refused(rebuilt(head, [blocks[0].replace("is_linear=0\n", "is_linear=0\nleaf_coeff=1\n"), *blocks[1:]]))
    refused(rebuilt(head, [blocks[0].replace("is_linear=0\n", ""), *blocks[1:]]))
    refused(rebuilt(head, [blocks[0].replace("is_linear=0\n", "is_linear=0\nis_linear=0\n"), *blocks[1:]]))
    refused(b"")
    refused(b"\xff\xfe" + model.encode())
    refused(model.replace("Tree=0", "Tree=O").encode())


def test_absurd_sizes_are_refused_before_anything_is_read(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lightgbm_text, "MOST_BYTES", 1_000)
    assert refused(model.encode()) == "size"


def test_an_infinite_threshold_becomes_the_largest_float_and_decides_alike() -> None:
    matrix = np.where(np.arange(400)[:, None] % 2 == 0, np.nan, 1.0)
    labels = np.isnan(matrix[:, 0]).astype(np.float64)
    settings = {"objective": "binary", "verbosity": -1, "num_threads": 1}
    rows = lightgbm.Dataset(matrix, labels, feature_name=column_names(1), params=settings)
    head, blocks = parts(canonical(lightgbm.train(settings, rows, 3).model_to_string()).decode())
    infinite = rebuilt(head, [re.sub(r"(?<=\nthreshold=).*", "inf", block) for block in blocks]).decode()
    assert refused(infinite.encode(), Shape("binary", 1, 1)) == "Tree=0.threshold"
    text = canonical(infinite)
    assert text.count(b"threshold=1.7976931348623157e+308\n") == 3
    audit(text, Shape("binary", 1, 1))
    probe = np.array([[np.nan], [0.0], [1e308], [-1e308]])
    expected = lightgbm.Booster(model_str=infinite).predict(probe)
    np.testing.assert_array_equal(lightgbm.Booster(model_str=text.decode()).predict(probe), expected)


def test_only_trees_without_a_split_are_given_a_constant(model: str) -> None:
    assert with_constants(model, [0.25]) == model
    head, blocks = parts(model)
    fields = dict(line.split("=") for line in blocks[0].strip().split("\n"))
    for field, value in fields.items():
        fields[field] = {"num_leaves": "1", "num_cat": "0", "leaf_value": "0"}.get(
            field, value if field in ("Tree", "is_linear", "shrinkage") else ""
        )
    stump = "\n".join(f"{field}={value}" for field, value in fields.items() if not field.startswith("cat_")) + "\n\n\n"
    filled = with_constants(rebuilt(head, [stump, *blocks[1:]]).decode(), [0.25])
    assert filled.count("\nleaf_value=0.25\n") == 1
    audit(canonical(filled), SHAPE)
