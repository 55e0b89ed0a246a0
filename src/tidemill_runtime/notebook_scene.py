"""What a notebook's own functions and classes need to be loaded outside a step: its imports and definitions."""

from __future__ import annotations

import builtins
import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, Dict, List, Mapping

from tidemill_runtime.step.program import read_program
from tidemill_runtime.step.session import Session
from tidemill_runtime.step.shell import Shell


def enter_notebook(program: Dict[str, Any], parameters: Mapping[str, Any], folder: Path) -> List[ModuleType]:
    """Make `__main__` what it was before a step's first cell; the notebook's own modules, written to `folder`.

    Runs the cells that every step of the notebook runs, so call it in a fresh process of the run's lock only. Whatever
    a cell raises comes through.
    """
    read = read_program(program)
    session = Session(read.notebook, lambda value: None)
    shell = Shell(session.names)
    vars(builtins).update(display=lambda *values: None, get_ipython=lambda: shell)
    for relative, source in read.modules.items():
        file = folder.joinpath(*relative.split("/"))
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(source, encoding="utf-8")
    sys.path.insert(0, str(folder))
    given = {name: read.parameter_port(name) for name in read.parameters}
    session.names.update({name: parameters[port] for name, port in given.items() if port in parameters})
    for cell in (*read.prelude, *read.imports):
        session.run(cell.code, cell.cell)
    tops = sorted({relative.split("/")[0].split(".")[0] for relative in read.modules})
    return [importlib.import_module(name) for name in tops]
