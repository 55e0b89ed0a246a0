"""`get_ipython()` for steps: shell lines and the few magics that mean something outside an interactive session."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import Any, Dict, List

_EXPANSION = re.compile(r"(?<!\{)\{([^{}]+)\}(?!\})|(?<!\$)\$([A-Za-z_]\w*)")
_INSTALLS = re.compile(r"(python3? -m )?(pip3?|conda|uv pip) install\b")


class Lines(List[str]):
    """The lines that a shell command printed, as `x = !command` gives them in IPython."""

    @property
    def n(self) -> str:
        """The lines as one text."""
        return "\n".join(self)

    @property
    def s(self) -> str:
        """The lines with spaces between."""
        return " ".join(self)

    @property
    def l(self) -> List[str]:  # noqa: E743  # IPython's own name for it
        """The lines as a list."""
        return list(self)


class Shell:
    """What `get_ipython()` gives in a step."""

    def __init__(self, names: Dict[str, Any]) -> None:
        self.user_ns = names

    def run_line_magic(self, name: str, line: str, _stack_depth: int = 1) -> Any:
        """A `%magic`; those that only concern an interactive session do nothing."""
        if name == "time":
            exec(compile(line, "<%time>", "exec"), self.user_ns)
        elif name == "cd":
            os.chdir(os.path.expanduser(line.strip("'\"") or "~"))
        elif name == "pwd":
            return os.getcwd()
        elif name in ("env", "set_env"):
            return _environment(line)
        elif name in ("sx", "system"):
            return self.getoutput(line)
        elif name in ("ls", "cat", "mkdir"):
            self.system(f"{name} {line}")
        return None

    def run_cell_magic(self, name: str, line: str, cell: str) -> Any:
        """A `%%magic`: shell scripts and files."""
        if name == "writefile":
            words = line.split()
            with open(words[-1], "a" if "-a" in words else "w", encoding="utf-8") as file:
                file.write(cell if cell.endswith("\n") or not cell else cell + "\n")
            return
        program = line.split() if name == "script" else [name, *line.split()]
        self._call(program, cell)

    def system(self, command: str) -> None:
        """`!command`: its output goes to the cell's output. Installing packages is the requirements' business."""
        if _INSTALLS.match(command):
            print(f"not run in a step, a requirement instead: {command}")  # noqa: T201  # the cell's output
            return
        self._call(["sh", "-c", self._expanded(command)], None, check=False)

    def getoutput(self, command: str, split: bool = True) -> Lines:
        """`lines = !command`."""
        done = subprocess.run(
            ["sh", "-c", self._expanded(command)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
        )
        return Lines(done.stdout.decode("utf-8", "replace").splitlines())

    def _call(self, program: List[str], text: Any, check: bool = True) -> None:
        given = None if text is None else text.encode("utf-8")
        done = subprocess.run(program, input=given, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        sys.stdout.write(done.stdout.decode("utf-8", "replace"))
        if check and done.returncode:
            raise subprocess.CalledProcessError(done.returncode, program)

    def _expanded(self, command: str) -> str:
        def value(found: re.Match[str]) -> str:
            expression = found[1] or found[2]
            if found[2] and found[2] not in self.user_ns:
                return found[0]  # a variable of the shell
            try:
                return str(eval(expression, self.user_ns))  # noqa: S307  # the author's own expression
            except (NameError, SyntaxError):
                return found[0]

        return _EXPANSION.sub(value, command)


def _environment(line: str) -> Any:
    name, separator, value = line.strip().partition("=" if "=" in line else " ")
    if not name:
        return dict(os.environ)
    if not separator:
        return os.environ.get(name)
    os.environ[name.strip()] = value.strip()
    return None
