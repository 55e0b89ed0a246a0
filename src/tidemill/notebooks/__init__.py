"""Notebooks: an `.ipynb` (or a percent-format script) is analysed exactly and compiled to a KFP v2 PipelineSpec.

Imports neither FastAPI nor SQLAlchemy, so that a compile starts at once. The nouns are in `tidemill.notebooks.model`.
"""

from tidemill.notebooks.compile import compile_notebook
from tidemill.notebooks.eject import eject
from tidemill.notebooks.fitted import Fitted, find_fitted
from tidemill.notebooks.model import Cell, CompiledNotebook, Notebook, Remark
from tidemill.notebooks.read import read_notebook
from tidemill.notebooks.split import Split, split_notebook
from tidemill.notebooks.steps import NotebookStep, steps_of

__all__ = [
    "Cell",
    "CompiledNotebook",
    "Fitted",
    "Notebook",
    "NotebookStep",
    "Remark",
    "Split",
    "compile_notebook",
    "eject",
    "find_fitted",
    "read_notebook",
    "split_notebook",
    "steps_of",
]
