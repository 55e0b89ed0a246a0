"""Data files beside the notebook that a step names in its code."""

from __future__ import annotations

import ast
from pathlib import Path

from tidemill.notebooks.analysis import Analysis, StepFlow

MAX_NAME = 255


def data_files(analysis: Analysis, flow: StepFlow, folder: Path) -> tuple[str, ...]:
    """Relative paths of files that stand beside the notebook and in a text of the step, its functions or parameters."""
    names: set[str] = set()
    trees: list[ast.AST] = [prepared.tree for prepared in flow.step.cells]
    used = set(flow.recorder.uses)
    for prepared in analysis.outline.prelude:
        for node in prepared.tree.body:
            bound = getattr(node, "name", None)
            targets = {t.id for t in getattr(node, "targets", []) if isinstance(t, ast.Name)}
            if bound in used or targets & used:
                trees.append(node)
    for tree in trees:
        names |= {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)}
    names |= {str(analysis.parameters[name].default) for name in flow.parameters}
    return tuple(sorted(name for name in names if _is_data(folder, name)))


def _is_data(folder: Path, name: str) -> bool:
    if not name or len(name) > MAX_NAME or "\n" in name or "\0" in name or Path(name).is_absolute():
        return False
    if any("\ud800" <= character <= "\udfff" for character in name):
        return False  # half a character: a text, and no file system takes it
    path, home = folder / name, folder.resolve()
    if path.resolve() == home:
        return False
    inside = path.resolve().is_relative_to(home)
    # a file that has a version belongs to the notebook, too, when its content is not pulled yet
    there = path.is_file() or path.with_name(path.name + ".dvc").is_file()
    return inside and there and path.suffix not in (".py", ".ipynb")
