"""The global random state as an implicit variable: a seeded notebook draws the same numbers, step by step."""

from __future__ import annotations

import ast
from collections.abc import Callable

from tidemill.notebooks.analysis import Analysis
from tidemill.notebooks.outline import Step
from tidemill.notebooks.settings import SEEDERS, seeds
from tidemill.notebooks.word_list import words

DRAWING_CALLS = words(
    """
    sample shuffle train_test_split permutation choice choices randint randn rand normal uniform permutations_test_score
    KFold StratifiedKFold ShuffleSplit StratifiedShuffleSplit GroupShuffleSplit KMeans MiniBatchKMeans
    RandomForestClassifier RandomForestRegressor ExtraTreesClassifier ExtraTreesRegressor GradientBoostingClassifier
    GradientBoostingRegressor MLPClassifier MLPRegressor SGDClassifier SGDRegressor RandomizedSearchCV TSNE
    make_classification make_regression make_blobs make_moons make_circles BaggingClassifier BaggingRegressor
    DecisionTreeClassifier DecisionTreeRegressor HistGradientBoostingClassifier HistGradientBoostingRegressor resample
    GaussianMixture IsolationForest bootstrap fit fit_transform fit_predict fit_resample partial_fit cross_val_score
    cross_validate cross_val_predict
    """
)
"""Calls of pandas and scikit-learn that may draw from the global state, unless they are given `random_state`."""

_GLOBAL = frozenset({"random", "numpy.random"})
OWN_GENERATORS = frozenset({"default_rng", "RandomState", "Generator", "Random", "SeedSequence", "PCG64"})


def random_chain(analysis: Analysis) -> dict[str, str]:
    """For each step that goes on with the random state of another: the step that it takes it from.

    Empty unless a cell seeds a global generator. Adds the edges; a step that cannot wait without a cycle is warned of.
    """
    cells = [*analysis.outline.prelude, *(cell for step in analysis.outline.steps for cell in step.cells)]
    seeded = any(seeds(prepared.tree) for prepared in cells)
    if not seeded:
        return {}
    trees = [prepared.tree for prepared in cells]
    drawing = _functions(trees, lambda node, known: _draws(node, known, inside=True)) | _imported(trees)
    seeding = _functions(trees, lambda node, known: seeds(node) or _names(node, known))
    started = any(seeds(prepared.tree) for prepared in analysis.outline.prelude)
    chain: dict[str, str] = {}
    last: Step | None = None
    for step in analysis.outline.steps:
        if not any(_draws(prepared.tree, drawing) for prepared in step.cells):
            continue
        started = started or any(seeds(prepared.tree) or _names(prepared.tree, seeding) for prepared in step.cells)
        if not started:
            continue
        if last is not None:
            _connect(analysis, chain, step, last)
        last = step
    return chain


def _connect(analysis: Analysis, chain: dict[str, str], step: Step, last: Step) -> None:
    number = step.numbers[0]
    if step.name in analysis.graph.ancestors(last.name):
        analysis.outline.warn(
            f"it draws random numbers after {last.name} in the notebook, yet runs before it: the numbers will differ",
            number,
        )
        return
    if last.name not in analysis.graph.ancestors(step.name):
        analysis.outline.note(f"it waits for {last.name}, to draw the random numbers that the notebook draws", number)
    chain[step.name] = last.name
    analysis.graph.add(step.name, last.name)


def _imported(trees: list[ast.Module]) -> set[str]:
    """Names of `from random import ...` and `import random as ...`, which draw when they are used."""
    found: set[str] = set()
    for node in (node for tree in trees for node in ast.walk(tree)):
        if isinstance(node, ast.ImportFrom) and node.module in _GLOBAL:
            found |= {alias.asname or alias.name for alias in node.names if alias.name not in OWN_GENERATORS}
        elif isinstance(node, ast.Import):
            found |= {alias.asname for alias in node.names if alias.asname and alias.name in _GLOBAL}
        elif isinstance(node, ast.ImportFrom) and node.module == "numpy":
            found |= {alias.asname for alias in node.names if alias.asname and alias.name == "random"}
    return found


def _names(tree: ast.AST, functions: set[str]) -> bool:
    return any(isinstance(node, ast.Name) and node.id in functions for node in ast.walk(tree))


def _functions(trees: list[ast.Module], does: Callable[[ast.AST, set[str]], bool]) -> set[str]:
    """Functions and classes of the notebook that do something, also by calling each other."""
    bodies = {
        node.name: node
        for tree in trees
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    }
    found: set[str] = set()
    while True:
        more = {name for name, body in bodies.items() if name not in found and does(body, found)}
        if not more:
            return found
        found |= more


def _draws(tree: ast.AST, functions: set[str], *, inside: bool = False) -> bool:
    skipped: set[int] = set()
    if not inside and isinstance(tree, ast.Module):
        # defining a function draws nothing
        for node in tree.body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                skipped |= {id(part) for part in ast.walk(node)}
    return any(_one_draws(node, functions) for node in ast.walk(tree) if id(node) not in skipped)


def _one_draws(node: ast.AST, functions: set[str]) -> bool:
    if isinstance(node, ast.Name):
        return node.id in functions
    if not isinstance(node, ast.Call):
        return False
    dotted = ast.unparse(node.func)
    name = dotted.rpartition(".")[2]
    if name in OWN_GENERATORS:
        return False
    if name in SEEDERS or ".random." in f".{dotted}":
        return True
    given = {keyword.arg for keyword in node.keywords}
    return name in DRAWING_CALLS and not given & {"random_state", "seed"}
