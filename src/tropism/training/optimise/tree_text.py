"""Trees in LightGBM's text format, read into arrays, and ensembles cut down to their first trees.

Only text that `learners.lightgbm_text.audit` passed may come here: nothing is checked again.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
_BLOCK = re.compile(r"^(?=Tree=)", re.MULTILINE)
_END = "end of trees\n"


class Tree(NamedTuple):
    """One tree. Children below 0 are leaves: -1 is leaf 0, -2 leaf 1.

    `categories`: for each categorical split the codes that go left, by node; numeric nodes are not in it.
    """

    feature: Ints
    decision: Ints
    threshold: Floats
    left: Ints
    right: Ints
    leaves: Floats
    categories: dict[int, list[int]]


class Forest(NamedTuple):
    """All trees of a model, in order. `averaged`: their mean counts, not their sum."""

    trees: list[Tree]
    averaged: bool


def parse(text: bytes) -> Forest:
    """The trees of an audited model."""
    head, _, body = text.decode("ascii").partition("\n\n")
    blocks = [block for block in _BLOCK.split(body.removesuffix(_END)) if block]
    return Forest([_tree(block) for block in blocks], "average_output" in head.split("\n"))


def first_trees(text: bytes, count: int) -> bytes:
    """The model with its first `count` trees only."""
    head, _, body = text.decode("ascii").partition("\n\n")
    blocks = [block for block in _BLOCK.split(body.removesuffix(_END)) if block][:count]
    sizes = " ".join(str(len(block)) for block in blocks)
    head = re.sub(r"^tree_sizes=.*$", f"tree_sizes={sizes}", head, flags=re.MULTILINE)
    return f"{head}\n\n{''.join(blocks)}{_END}".encode("ascii")


def _tree(block: str) -> Tree:
    fields = dict(line.split("=", 1) for line in block.rstrip("\n").split("\n")[1:])
    feature, decision, left, right = (
        np.array([int(token) for token in fields[name].split()], np.int64)
        for name in ("split_feature", "decision_type", "left_child", "right_child")
    )
    threshold, leaves = (
        np.array([float(token) for token in fields[name].split()]) for name in ("threshold", "leaf_value")
    )
    categories = {}
    if int(fields["num_cat"]):
        bounds = [int(token) for token in fields["cat_boundaries"].split()]
        words = [int(token) for token in fields["cat_threshold"].split()]
        for node in np.flatnonzero(decision & 1).tolist():
            which = int(threshold[node])
            categories[node] = _codes(words[bounds[which] : bounds[which + 1]])
    return Tree(feature, decision, threshold, left, right, leaves, categories)


def _codes(words: list[int]) -> list[int]:
    """The numbers of the bits that are set, 32 a word."""
    return [32 * index + bit for index, word in enumerate(words) for bit in range(32) if word >> bit & 1]
