"""The stage of the work that a cell belongs to, for notebooks without headings."""

from __future__ import annotations

import ast
import enum

from tidemill.notebooks.word_list import words

_EVALUATING = words("predict predict_proba score classification_report confusion_matrix evaluate")
_SPLITTING = words("train_test_split KFold StratifiedKFold")


class Stage(enum.Enum):
    """What a step is for, in the order of most notebooks."""

    LOAD = "load"
    PREPARE = "prepare"
    SPLIT = "split"
    TRAIN = "train"
    EVALUATE = "evaluate"


def stage_of(tree: ast.Module, *, after: Stage | None, makes: bool) -> Stage | None:
    """The stage that a cell begins after another one; None when it goes on with it.

    `makes`: the cell binds or changes variables. What only shows something never begins a stage.
    """
    if not makes:
        return None if after is not None else Stage.PREPARE
    called = {_name(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    if any(name.startswith(("read_", "load_", "fetch_")) for name in called):
        return Stage.LOAD
    if called & _SPLITTING:
        return Stage.SPLIT
    if "fit" in called:
        return Stage.TRAIN
    if called & _EVALUATING or any(name.endswith(("_score", "_error")) for name in called):
        return Stage.EVALUATE
    return Stage.PREPARE if after in (None, Stage.LOAD) else None


def _name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
