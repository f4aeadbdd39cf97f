from __future__ import annotations

from typing import Any

import pytest

from tropism.core.errors import ArtifactRefused
from tropism.learners.onnx_shapes import MOST_NUMBERS, Fixed, Rows, Size, Step, sizes


def given(operator: str, *inputs: Size, domain: str = "", **attributes: Any) -> list[Rows | Fixed]:
    return sizes(domain, operator, Step("node", inputs, attributes))


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (given("Relu", Rows(4)), [Rows(4)]),
        (given("Clip", Rows(4), Fixed(()), None), [Rows(4)]),
        (given("Add", Rows(4), Fixed((4,))), [Rows(4)]),
        (given("Add", Rows(4), Rows(1)), [Rows(4)]),
        (given("Mul", Fixed((3, 1)), Fixed((5,))), [Fixed((3, 5))]),
        (given("Where", Rows(4), Rows(4), Fixed(())), [Rows(4)]),
        (given("Gemm", Rows(4), Fixed((4, 7)), Fixed((7,))), [Rows(7)]),
        (given("Gemm", Rows(4), Fixed((7, 4)), transB=1), [Rows(7)]),
        (given("MatMul", Rows(4), Fixed((4, 7))), [Rows(7)]),
        (given("MatMulInteger", Rows(4), Fixed((4, 7)), Fixed(()), Fixed((7,))), [Rows(7)]),
        (given("DynamicQuantizeLinear", Rows(4)), [Rows(4), Fixed(()), Fixed(())]),
        (given("DequantizeLinear", Fixed((4, 7)), Fixed((4,)), Fixed((4,)), axis=0), [Fixed((4, 7))]),
        (given("Concat", Rows(4), Rows(2), axis=1), [Rows(6)]),
        (given("Gather", Rows(4), Fixed((9,)), axis=1), [Rows(9)]),
        (given("Softmax", Rows(4)), [Rows(4)]),
        (given("ReduceMax", Rows(4), axes=[1]), [Rows(1)]),
        (given("ReduceSum", Rows(4), Fixed((1,), (-1,))), [Rows(1)]),
        (given("Flatten", Rows(4)), [Rows(4)]),
        (given("QGemm", Rows(4), *[Fixed(())] * 2, Fixed((4, 7)), domain="com.microsoft"), [Rows(7)]),
    ],
    ids=range(19),
)
def test_what_an_operator_gives(found: list[Rows | Fixed], expected: list[Rows | Fixed]) -> None:
    assert found == expected


@pytest.mark.parametrize(
    ("operator", "inputs", "attributes"),
    [
        ("Relu", (), {}),
        ("Relu", (None,), {}),
        ("Clip", (Fixed(()), Rows(4)), {}),
        ("Add", (Rows(4), Rows(3)), {}),
        ("Add", (Rows(4), Fixed((2, 4))), {}),
        ("Add", (Rows(4), Fixed((64, 1))), {}),
        ("Gemm", (Rows(4), Fixed((5, 7))), {}),
        ("Gemm", (Rows(4), Fixed((4, 7))), {"transB": 1}),
        ("Gemm", (Rows(4), Fixed((4, 7))), {"transA": 1}),
        ("Gemm", (Rows(4), Rows(4)), {}),
        ("Gemm", (Fixed((2, 4)), Fixed((4, 7))), {}),
        ("Gemm", (Rows(4), Fixed((4, 7)), Fixed((9, 7))), {}),
        ("MatMul", (Rows(4), Fixed((4,))), {}),
        ("Concat", (Rows(4), Rows(2)), {}),
        ("Concat", (Rows(4), Rows(2)), {"axis": 0}),
        ("Concat", (Rows(4), Fixed((4,))), {"axis": 1}),
        ("Concat", (), {"axis": 1}),
        ("Gather", (Rows(4), Fixed((9,))), {"axis": 0}),
        ("Gather", (Rows(4), Fixed((9, 9))), {"axis": 1}),
        ("Softmax", (Rows(4),), {"axis": 0}),
        ("ReduceMax", (Rows(4),), {}),
        ("ReduceMax", (Rows(4),), {"axes": [0]}),
        ("ReduceMax", (Rows(4),), {"axes": [1], "keepdims": 0}),
        ("ReduceSum", (Rows(4), Fixed((1,))), {}),
        ("ReduceSum", (Rows(4), Fixed((1,), (0,))), {}),
        ("Flatten", (Rows(4),), {"axis": 0}),
        ("BatchNormalization", (Rows(4), *[Fixed((4,))] * 4), {"training_mode": 1}),
        ("QuantizeLinear", (Rows(4), Rows(4)), {}),
        ("DequantizeLinear", (Fixed((4, 4)), Fixed((4, 4))), {}),
        ("Mul", (Fixed((2**13, 1)), Fixed((1, 2**13))), {}),
        *((operator, (Rows(4),), {}) for operator in ("Loop", "If", "Scan", "Expand", "Reshape", "Tile", "Resize", "")),
    ],
)
def test_an_operator_that_mixes_rows_grows_without_bound_or_is_unknown_is_refused(
    operator: str, inputs: tuple[Size, ...], attributes: dict[str, Any]
) -> None:
    with pytest.raises(ArtifactRefused):
        given(operator, *inputs, **attributes)


def test_an_operator_belongs_to_its_domain() -> None:
    assert given("Relu", Rows(4), domain="ai.onnx") == [Rows(4)]
    for domain in ("com.microsoft", "ai.onnx.ml", "my.plugin"):
        with pytest.raises(ArtifactRefused, match="not allowed"):
            given("Relu", Rows(4), domain=domain)


def test_a_row_has_its_limit() -> None:
    assert given("Concat", Rows(MOST_NUMBERS - 1), Rows(1), axis=1) == [Rows(MOST_NUMBERS)]
    with pytest.raises(ArtifactRefused, match="too much"):
        given("Concat", Rows(MOST_NUMBERS), Rows(1), axis=1)
