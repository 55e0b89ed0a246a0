"""What cells print and show: passed on to the log and kept for the report."""

from __future__ import annotations

import base64
import contextlib
import io
import sys
from dataclasses import dataclass, field
from typing import Any, Dict, Iterator, List, Optional, TextIO, Tuple

MAX_TEXT = 200_000
MAX_FIGURES = 50
_TRUNCATED = "\n… (more was printed; see the log)\n"


@dataclass
class CellRecord:
    """A cell that ran: `parts` are (kind, content) in order; kinds are text, html, png and error."""

    cell: int
    source: str
    seconds: float = 0.0
    parts: List[Tuple[str, str]] = field(default_factory=list)
    printed: int = 0

    def text(self, text: str) -> None:
        """Add printed text, up to a limit."""
        room = MAX_TEXT - self.printed
        if room <= 0:
            return
        self.printed += len(text)
        shown = text if len(text) <= room else text[:room] + _TRUNCATED
        if self.parts and self.parts[-1][0] == "text":
            self.parts[-1] = ("text", self.parts[-1][1] + shown)
        else:
            self.parts.append(("text", shown))


class _Tee(io.TextIOBase):
    def __init__(self, stream: TextIO, outputs: Outputs) -> None:
        self._stream = stream
        self._outputs = outputs

    def write(self, text: str) -> int:
        if self._outputs.captured is not None:
            return self._outputs.captured.write(text)
        if self._outputs.record is not None:
            self._outputs.record.text(text)
        return self._stream.write(text)

    def flush(self) -> None:
        self._stream.flush()

    def fileno(self) -> int:
        return self._stream.fileno()

    def isatty(self) -> bool:
        return False

    def writable(self) -> bool:
        return True

    @property
    def encoding(self) -> str:  # type: ignore[override]  # the base declares a plain attribute
        return getattr(self._stream, "encoding", "utf-8")


class Captured:
    """What `%%capture name` leaves in `name`."""

    def __init__(self, text: str) -> None:
        self.stdout = text
        self.stderr = ""
        self.outputs: List[Any] = []

    def show(self) -> None:
        """Print it after all."""
        sys.stdout.write(self.stdout)

    def __str__(self) -> str:
        return self.stdout

    __call__ = show


class Outputs:
    """Collects the outputs of cell after cell."""

    def __init__(self) -> None:
        self.records: List[CellRecord] = []
        self.record: Optional[CellRecord] = None
        self.captured: Optional[io.StringIO] = None

    @contextlib.contextmanager
    def streams(self) -> Iterator[None]:
        """Copy what is printed into the present record."""
        before = sys.stdout, sys.stderr
        sys.stdout, sys.stderr = _Tee(before[0], self), _Tee(before[1], self)
        try:
            yield
        finally:
            sys.stdout, sys.stderr = before

    def begin(self, cell: int, source: str) -> CellRecord:
        """The next cell."""
        self.record = CellRecord(cell, source)
        self.records.append(self.record)
        return self.record

    def show(self, *values: Any, **options: Any) -> None:
        """`display(...)`: a value as HTML or as its repr; in the log always as text."""
        for value in values:
            sys.stdout.flush()
            kind, content, plain = _rendered(value)
            if self.captured is not None or self.record is None:
                continue
            if kind == "text":
                self.record.text(content + "\n")
            else:
                self.record.parts.append((kind, content))
            stream = getattr(sys.stdout, "_stream", sys.stdout)
            stream.write(plain + "\n")

    def keep_figures(self) -> None:
        """Put open matplotlib figures into the record and close them, as the inline backend does after a cell."""
        pyplot = sys.modules.get("matplotlib.pyplot")
        if pyplot is None:
            return
        for number in pyplot.get_fignums()[:MAX_FIGURES]:
            if self.record is not None and self.captured is None:
                self.record.parts.append(("png", figure_png(pyplot.figure(number))))
        pyplot.close("all")


def figure_png(figure: Any) -> str:
    """A figure as base64 PNG, without the date and version that matplotlib would write into it."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", bbox_inches="tight", metadata={"Software": None})
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def _rendered(value: Any) -> Tuple[str, str, str]:
    """(kind, content, text for the log) of a displayed value."""
    bundle = _bundle(value)
    plain = bundle.get("text/plain") or repr(value)
    if "text/html" in bundle:
        return "html", bundle["text/html"], plain
    if "image/png" in bundle:
        return "png", bundle["image/png"], plain
    return "text", plain, plain


def _bundle(value: Any) -> Dict[str, str]:
    made: Dict[str, str] = {}
    if isinstance(value, type):
        return made
    for method, kind in (("_repr_html_", "text/html"), ("_repr_png_", "image/png"), ("_repr_svg_", "text/html")):
        found = getattr(value, method, None)
        if not callable(found):
            continue
        try:
            content = found()
        except Exception:  # noqa: BLE001  # as IPython: a broken repr is left out, the next one serves
            continue
        if isinstance(content, bytes):
            content = base64.b64encode(content).decode("ascii")
        if isinstance(content, str):
            made.setdefault(kind, content)
    return made
