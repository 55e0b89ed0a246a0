"""The home: the folder of one site, its layout and its version."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tidemill.base.errors import Conflict, InvalidInput, StorageFull

HOME_SCHEMA_VERSION = 1
NETWORK_FILE_SYSTEMS = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "fuse.sshfs", "ceph", "glusterfs"}
)
MAX_SOCKET_PATH_BYTES = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """The folder of one site; 0700, on a local file system."""

    path: Path

    @property
    def database(self) -> Path:
        """The SQLite file of the state."""
        return self.path / "state.db"

    @property
    def blobs(self) -> Path:
        """The content-addressed artifacts."""
        return self.path / "blobs"

    @property
    def work(self) -> Path:
        """Working folders of running tasks, and their logs until they are kept."""
        return self.path / "work"

    @property
    def logs(self) -> Path:
        """Logs of tasks and processes."""
        return self.path / "logs"

    @property
    def venvs(self) -> Path:
        """Virtual environments, one per lock."""
        return self.path / "venvs"

    @property
    def keys(self) -> Path:
        """Signing keys and the local token, 0700."""
        return self.path / "keys"

    @property
    def local_token(self) -> Path:
        """The secret of the person who owns the home, 0600."""
        return self.keys / "local-token"

    @property
    def telemetry(self) -> Path:
        """The prediction log and other files that may lose their last second."""
        return self.path / "telemetry"

    @property
    def ballast(self) -> Path:
        """Room that is given up when the disk is full."""
        return self.path / "ballast"

    @property
    def sockets(self) -> Path:
        """A 0700 folder with a short path for unix sockets, outside the home."""
        base = os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()
        short = f"{os.stat(self.path).st_ino:x}"
        return Path(base) / f"tidemill-{os.getuid()}-{short}"


def open_home(path: Path) -> Home:
    """Make the home if it is missing, and check it.

    Raises `InvalidInput` on a network file system, `Conflict` when a newer Tidemill wrote it, `StorageFull` when
    its marker cannot be written.
    """
    path = path.expanduser().absolute()
    _refuse_network_file_system(path)
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
    except FileExistsError as problem:
        raise InvalidInput("is a file, not a folder", place=str(path), remedy="choose another with --home") from problem
    except PermissionError as problem:
        raise InvalidInput("may not be made by you", place=str(path), remedy="choose another with --home") from problem
    home = Home(path=path)
    _check_version(home)
    path.chmod(0o700)
    for folder in (home.blobs, home.work, home.logs, home.venvs, home.keys, home.telemetry):
        folder.mkdir(exist_ok=True, mode=0o700)
    return home


def make_sockets_folder(home: Home) -> Path:
    """The folder for unix sockets, made, ours and closed to others; `InvalidInput` when it is somebody else's."""
    folder = home.sockets
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if status.st_uid != os.getuid() or folder.is_symlink():
        raise InvalidInput(
            "belongs to somebody else", place=str(folder), remedy="set XDG_RUNTIME_DIR to a folder of yours"
        )
    folder.chmod(0o700)
    if len(os.fsencode(folder)) + 32 > MAX_SOCKET_PATH_BYTES:
        raise InvalidInput(
            "is too long a path for sockets", place=str(folder), remedy="set XDG_RUNTIME_DIR to a shorter one"
        )
    return folder


def _check_version(home: Home) -> None:
    marker = home.path / "home.json"
    if marker.exists():
        try:
            version = int(json.loads(marker.read_text())["schema_version"])
        except (ValueError, KeyError, TypeError) as problem:
            raise Conflict(
                "is not the marker of a home",
                place=str(marker),
                remedy="restore it from a backup, or choose another --home",
            ) from problem
        if version > HOME_SCHEMA_VERSION:
            raise Conflict(
                f"a newer Tidemill wrote this home (version {version}, this one knows {HOME_SCHEMA_VERSION})",
                place=str(home.path),
                remedy="upgrade with: pip install --upgrade tidemill",
            )
        return
    try:
        # a name of its own: two commands may meet in a new home
        temporary = marker.with_suffix(f".{os.getpid()}.new")
        temporary.write_text(json.dumps({"schema_version": HOME_SCHEMA_VERSION}))
        temporary.replace(marker)
    except OSError as problem:
        raise StorageFull(
            f"cannot be written: {problem.strerror}", place=str(home.path), remedy="free some space"
        ) from problem


def _refuse_network_file_system(path: Path) -> None:
    kind = file_system_of(path.resolve())  # a link may lead to another one
    if kind in NETWORK_FILE_SYSTEMS:
        raise InvalidInput(
            f"lies on a network file system ({kind}), where locks do not hold",
            place=str(path),
            remedy="choose a local folder with --home, or PostgreSQL for a team",
        )


def file_system_of(path: Path, mounts: Path = Path("/proc/mounts")) -> str:
    """The type of the file system a path lies (or would lie) on, as the kernel names it; `unknown` off Linux."""
    try:
        lines = mounts.read_text().splitlines()
    except OSError:
        return "unknown"
    best, kind = "", "unknown"
    wanted = str(path)
    for line in lines:
        _, raw_point, fs_type, *_ = line.split(" ")
        point = raw_point.encode().decode("unicode_escape")
        inside = wanted == point or wanted.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):
            best, kind = point, fs_type
    return kind
