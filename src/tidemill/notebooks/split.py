"""The verb split: tags for a notebook that has none, from its headings and data flow; only tags change."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from tidemill.base.canonical import parse_json
from tidemill.base.errors import InvalidInput
from tidemill.notebooks.bonds import Bond, bonds_of
from tidemill.notebooks.compile import compile_cells
from tidemill.notebooks.headings import Heading, headings_of
from tidemill.notebooks.magics import prepare
from tidemill.notebooks.model import Cell, CompiledNotebook, Notebook
from tidemill.notebooks.propose import Cells, Proposal
from tidemill.notebooks.read import read_notebook
from tidemill.notebooks.tag_text import with_tags
from tidemill.notebooks.tags import Role, read_tags


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """A notebook with tags: `data` are the bytes of the new file, `tags` what was added by cell.

    `compiled` is what it compiles to, `bonds` what kept cells in one step that would have been two.
    """

    data: bytes
    tags: dict[int, tuple[str, ...]]
    compiled: CompiledNotebook
    bonds: tuple[Bond, ...]


def split_notebook(path: Path) -> Split:
    """Propose tags for an `.ipynb` without step tags, and compile the result; writes nothing.

    Raises `InvalidInput` for a notebook that has steps already, and for one that does not compile as a whole.
    """
    notebook = read_notebook(path)
    if path.suffix != ".ipynb":
        raise InvalidInput(
            "is a script, and only an .ipynb can be split",
            place=notebook.file_name,
            remedy='write the tags into its cell lines: # %% tags=["step:train"]',
        )
    _refuse_tagged(notebook)
    text = path.read_bytes().decode("utf-8")
    document = parse_json(text.removeprefix("\ufeff"), place=path.name)
    assert isinstance(document, dict)  # `read_notebook` has seen to it
    whole = compile_cells(notebook, path)
    search = _Search(notebook, path, whole, headings_of(document))
    proposal, compiled = search.run()
    tags = proposal.tags()
    data = with_tags(text, tags).encode("utf-8")
    return Split(data=data, tags=tags, compiled=compiled, bonds=tuple(search.applied))


def _refuse_tagged(notebook: Notebook) -> None:
    for cell in notebook.cells:
        tags = read_tags(cell.tags, place=notebook.place(cell.number))
        if tags.role in (Role.STEP, Role.IMPORTS, Role.FUNCTIONS):
            raise InvalidInput(
                f"has tags already: {', '.join(cell.tags)}",
                place=notebook.place(cell.number),
                remedy=f"see its steps with: tidemill notebook show {notebook.file_name}",
            )


class _Search:
    """Joins proposed steps until the analysis has nothing against the cut."""

    def __init__(
        self, notebook: Notebook, path: Path, whole: CompiledNotebook, headings: dict[int, list[Heading]]
    ) -> None:
        self._notebook = notebook
        self._path = path
        self._whole = whole
        roles = {c.number: read_tags(c.tags, place=notebook.place(c.number)).role for c in notebook.cells}
        prepared = [
            prepare(cell, place=notebook.place(cell.number))
            for cell in notebook.cells
            if cell.source.strip() and roles[cell.number] not in (Role.SKIP, Role.PARAMETERS)
        ]
        self._headings = headings
        self._cells = Cells(
            prepared,
            notebook,
            metrics={number for number, role in roles.items() if role is Role.METRICS},
            known=Role.PARAMETERS in roles.values(),
        )
        self._bonds = bonds_of(prepared, notebook)
        self._barred: set[int] = set()
        self.applied: list[Bond] = []

    def run(self) -> tuple[Proposal, CompiledNotebook]:
        """The proposal that compiles; each round joins two steps at least, or takes a cell from before every step."""
        while True:
            proposal = self._cells.propose(self._headings, self._barred)
            self.applied = [bond for bond in self._bonds if proposal.join(bond)]
            try:
                compiled = self._compile(proposal)
            except InvalidInput as problem:
                self._learn(proposal, problem)
                continue
            more = [Bond(first=min(w.cells), last=max(w.cells), reason=w.message) for w in compiled.warnings if w.cells]
            if not any(proposal.join(bond) for bond in more):
                return proposal, compiled
            self._bonds += more

    def _compile(self, proposal: Proposal) -> CompiledNotebook:
        tags = proposal.tags()
        cells = tuple(_tagged(cell, tags.get(cell.number, ())) for cell in self._notebook.cells)
        return compile_cells(
            replace(self._notebook, cells=cells),
            self._path,
            requirements=self._whole.requirements,
            python=self._whole.python,
        )

    def _learn(self, proposal: Proposal, problem: InvalidInput) -> None:
        """Join the step that does not compile with the one above; raises the error again when there is none."""
        found = re.search(r", cell (\d+)", problem.place or "")
        number = int(found[1]) if found else 0
        role = proposal.roles.get(number)
        if role in ("imports", "functions", "pipeline-parameters"):
            self._barred.add(number)
            return
        index = proposal.holding(number)
        if index is None or len(proposal.groups) < 2:
            raise problem
        pair = proposal.groups[max(index - 1, 0) : max(index, 1) + 1]
        self._bonds.append(Bond(first=pair[0].cells[-1], last=pair[-1].cells[0], reason=problem.message))


def _tagged(cell: Cell, tags: tuple[str, ...]) -> Cell:
    return replace(cell, tags=(*cell.tags, *tags))
