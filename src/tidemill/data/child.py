"""DVC kept warm: a program for DVC's own environment that answers requests, one JSON line each.

It imports dvc and the standard library only, and nothing of tidemill. Standard input has the requests, standard
output the replies; what DVC itself prints goes to standard error.
"""

from __future__ import annotations

import json
import logging
import os
import pathlib
import sys
from typing import Any

Reply = dict[str, Any]


def initialise(request: Reply) -> Reply:
    """Make a DVC project and its default remote, each only where it is missing; the default remote's address."""
    from dvc.repo import Repo

    root = request["root"]
    if not os.path.isdir(os.path.join(root, ".dvc")):
        Repo.init(root).close()
    with Repo(root) as repo:
        name, known = repo.config["core"].get("remote"), repo.config["remote"]
    if not name and not known:
        _write_remote(root, request["remote"])
        return {"remote": request["remote"]}
    return {"remote": known.get(name, {}).get("url")}


def _write_remote(root: str, remote: str) -> None:
    """Add a default remote to a DVC configuration; DVC's own way to do it fails on addresses beyond ASCII."""
    from configobj import ConfigObj  # type: ignore[import-not-found]  # DVC's environment has it
    from dvc.repo import Repo

    path = os.path.join(root, ".dvc", "config")
    before = pathlib.Path(path).read_bytes()
    config = ConfigObj(path, encoding="utf-8", indent_type="    ")
    config.setdefault("core", {})["remote"] = "storage"
    config['remote "storage"'] = {"url": remote}
    config.filename = path + ".new"
    config.write()
    os.replace(path + ".new", path)
    try:
        Repo(root).close()
    except BaseException:  # an address that DVC cannot use would make every later command fail
        pathlib.Path(path).write_bytes(before)
        raise


def add(request: Reply) -> Reply:
    """Version a file or folder."""
    from dvc.repo import Repo

    with Repo(request["root"]) as repo:
        repo.add([request["path"]])
    return {}


def push(request: Reply) -> Reply:
    """Bring versions to the default remote."""
    from dvc.repo import Repo

    with Repo(request["root"]) as repo:
        return {"file_count": repo.push(targets=request["targets"])}


def pull(request: Reply) -> Reply:
    """Bring versions here, from the cache alone where there is no remote."""
    from dvc.config import NoRemoteError
    from dvc.repo import Repo

    with Repo(request["root"]) as repo:
        try:
            done = repo.pull(targets=request["targets"], force=request["force"])
        except NoRemoteError:
            done = repo.checkout(targets=request["targets"], force=request["force"])
    changed = [os.path.relpath(path, request["root"]) for kind in ("added", "modified") for path in done.get(kind, ())]
    return {"file_count": done.get("stats", {}).get("fetched", 0), "changed_paths": sorted(changed)}


def states(request: Reply) -> Reply:
    """How content stands to its versions: what DVC says of each output, nothing when it is current."""
    from dvc.repo import Repo

    with Repo(request["root"]) as repo:
        found = {}
        for target in request["targets"]:
            answer = repo.status(targets=[target])
            changes = [change for changed in answer.values() for change in changed if isinstance(change, dict)]
            found[target] = [state for change in changes for state in change.get("changed outs", {}).values()]
    return {"states": found}


def files(request: Reply) -> Reply:
    """The files that DVC counts to a folder, below it: those that .dvcignore does not leave out."""
    from dvc.fs import localfs
    from dvc.repo import Repo

    folder = request["path"]
    with Repo(request["root"]) as repo:
        found = [os.path.relpath(path, folder) for path in repo.dvcignore.find(localfs, folder)]
    return {"files": sorted(found)}


OPERATIONS = {"initialise": initialise, "add": add, "push": push, "pull": pull, "states": states, "files": files}


class Complaints(logging.Handler):
    """Keeps what DVC warns of, since it says some failures only there."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.kept: list[Reply] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a message, and the number of the system's error behind it."""
        problem = record.exc_info[1] if record.exc_info else None
        message = record.getMessage() + (f": {problem}" if problem else "")
        self.kept.append({"message": message, "errno": getattr(problem, "errno", None)})


def answer(line: str, complaints: Complaints) -> Reply:
    """The reply to one request."""
    request = json.loads(line)
    complaints.kept.clear()
    try:
        os.chdir(request["root"])
        reply = OPERATIONS[request["operation"]](request)
    except Exception as problem:  # noqa: BLE001  # told to the other side, which knows what to make of it
        chain = []
        cause: BaseException | None = problem
        while cause is not None:
            kinds = [kind.__name__ for kind in type(cause).__mro__]
            chain.append({"kinds": kinds, "message": str(cause), "errno": getattr(cause, "errno", None)})
            cause = cause.__cause__ or cause.__context__
        return {"error": chain, "warnings": complaints.kept}
    finally:
        os.chdir("/")
    return {**reply, "warnings": complaints.kept}


def main() -> None:
    """Answer until standard input ends."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # nothing that DVC prints may stand among the replies
    complaints = Complaints()
    for name in ("dvc", "dvc_data", "dvc_objects"):
        logging.getLogger(name).addHandler(complaints)
    for line in sys.stdin:
        replies.write(json.dumps(answer(line, complaints)) + "\n")
        replies.flush()


if __name__ == "__main__":
    main()
