"""The worker: claims runs and drives them in one thread; any number of workers may share a database."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Protocol

from sqlalchemy import select, update

from tidemill.artifacts import ArtifactStore, blob_store
from tidemill.base.ballast import is_no_space
from tidemill.base.errors import NotFound, StorageFull, Unavailable
from tidemill.base.site import Site
from tidemill.engine import claims
from tidemill.engine.claims import Candidate, Claim, Fenced, Watch
from tidemill.engine.driver import RunDriver
from tidemill.engine.environments import Environments, LockedEnvironments
from tidemill.engine.launchers import Launcher, ProcessLauncher
from tidemill.engine.load import load_run
from tidemill.engine.model import Failure, State
from tidemill.engine.options import Background, Tools, WorkerOptions
from tidemill.engine.specs import SpecCache
from tidemill.engine.store import run_rows
from tidemill.locks import runtime_path
from tidemill_runtime.fork import kernel

_CLAIMS_AT_A_TIME = 20
_FAULT_PAUSE_SECONDS = 1.0
_MAX_TIMES_FULL = 3
"""After so many commits that found no room a run ends: what it writes is what does not fit."""


class Stop(Protocol):
    """Tells a serving worker to end; `threading.Event` is one."""

    def is_set(self) -> bool: ...


def open_worker(site: Site, options: WorkerOptions | None = None) -> Worker:
    """A worker with processes, venvs and the blobs of the site's home; close it."""
    worker_id = site.ids.new()
    launcher = ProcessLauncher(owner=worker_id, logs=site.home.logs, runtime=runtime_path(site))
    return Worker(
        site,
        blob_store(site),
        launcher,
        options or WorkerOptions(),
        environments=LockedEnvironments(site),
        worker_id=worker_id,
    )


class Worker:
    """Claims runs and drives them.

    `worker_id` marks its processes; it must be the launcher's owner. Not thread-safe: one thread makes, uses and
    closes it.
    """

    def __init__(
        self,
        site: Site,
        artifacts_store: ArtifactStore,
        launcher: Launcher,
        options: WorkerOptions,
        *,
        environments: Environments,
        worker_id: str | None = None,
    ) -> None:
        self.id = worker_id or site.ids.new()
        self._site = site
        self._options = options
        self._launcher = launcher
        self._background = Background(launcher.wake)
        self._tools = Tools(
            site=site,
            blobs=artifacts_store,
            launcher=launcher,
            environments=environments,
            background=self._background,
            options=options,
        )
        self._specs = SpecCache()
        self._watch = Watch(site, options.lease_seconds)
        self._drivers: dict[str, RunDriver] = {}
        self._pauses: dict[str, float] = {}
        self._full: dict[str, list[StorageFull]] = {}
        self._is_registered = False
        self._beat_at_seconds = 0.0
        self._poll_at_seconds = 0.0
        self._cancels_at_seconds = 0.0

    def run_until_done(self, run_id: str) -> State:
        """Drive one run until it has ended (or is PAUSED) and return its state; when another worker holds it, wait
        for that. `NotFound`."""
        while True:
            if run_id not in self._drivers:
                state = self._state_of(run_id)
                if state.is_final or state is State.PAUSED:
                    return state
                if self._claim(run_id):
                    continue  # it may be over already, served from the cache
            self._turn(wait_seconds=self._options.poll_seconds)

    def serve(self, stop: Stop) -> None:
        """Drive every run that nobody else drives, until told to stop; then let go of them for other workers."""
        while not stop.is_set():
            try:
                if self._now() >= self._poll_at_seconds:
                    self._claim(None)
                self._turn(wait_seconds=self._poll_seconds)
            except (StorageFull, Unavailable):
                # The database comes back, or the disk is freed: a worker waits for that.
                time.sleep(_FAULT_PAUSE_SECONDS)

    def close(self) -> None:
        """End all steps and give up all runs."""
        for driver in self._drivers.values():
            driver.let_go()
        self._drivers.clear()
        self._launcher.close()
        self._background.close()
        if self._is_registered:
            claims.stop_worker(self._site, self.id)

    # --- one turn

    def _turn(self, *, wait_seconds: float) -> None:
        due = [driver.next_look_seconds for driver in self._drivers.values()]
        events = self._launcher.events(min([wait_seconds, *due]))
        for exited in events:
            for driver in list(self._drivers.values()):
                if driver.holds(exited.key):
                    self._guarded(driver, partial(driver.exited, exited))
                    break
        for follow in self._background.followers():
            follow()
        self._beat()
        self._notice_cancels()
        for driver in list(self._drivers.values()):
            self._guarded_turn(driver)

    def _guarded_turn(self, driver: RunDriver) -> None:
        self._guarded(driver, driver.turn)
        if driver.graph.is_over and self._drivers.get(driver.graph.id) is driver:
            del self._drivers[driver.graph.id]
            self._full.pop(driver.graph.id, None)

    def _guarded(self, driver: RunDriver, work: Callable[[], None]) -> None:
        """Do something for one run; whatever goes wrong stays with that run."""
        try:
            work()
        except Fenced:
            self._drop(driver)
        except (StorageFull, Unavailable) as problem:
            # Whether the commit counted is unknown: the run is read back before anything else is done about it.
            self._drop(driver, pause_seconds=_FAULT_PAUSE_SECONDS)
            if isinstance(problem, StorageFull):
                self._full.setdefault(driver.graph.id, []).append(problem)
        except Exception as problem:  # noqa: BLE001  # one bad run never stops the others
            self._drop(driver, pause_seconds=_FAULT_PAUSE_SECONDS)
            if is_no_space(problem):
                self._full.setdefault(driver.graph.id, []).append(StorageFull(str(problem)))
            else:
                self._record_fault(driver.graph.claim, traceback.format_exc())

    def _drop(self, driver: RunDriver, *, pause_seconds: float = 0.0) -> None:
        driver.let_go()
        del self._drivers[driver.graph.id]
        self._pauses[driver.graph.id] = self._now() + pause_seconds

    # --- claims

    @property
    def _poll_seconds(self) -> float:
        return self._options.poll_seconds if self._drivers else self._options.idle_poll_seconds

    def _claim(self, run_id: str | None) -> bool:
        """Take what is free; True when there was something."""
        self._poll_at_seconds = self._now() + self._poll_seconds
        with self._site.database.read() as connection:
            found = claims.open_runs(connection, run_id=run_id, but_not=list(self._drivers), limit=_CLAIMS_AT_A_TIME)
        has_taken = False
        for candidate in found:
            if self._is_free(candidate) and self._pauses.get(candidate.run_id, 0.0) <= self._now():
                has_taken = self._take(candidate) or has_taken
        return has_taken

    def _is_free(self, candidate: Candidate) -> bool:
        if not self._options.guards.claims:
            return True
        return candidate.holder in {None, self.id} or self._watch.is_gone(candidate.worker)

    def _take(self, candidate: Candidate) -> bool:
        if not self._is_registered:
            claims.register_worker(self._site, self.id)
            self._is_registered = True
            self._beat_at_seconds = self._now() + self._options.beat_seconds
        claim = claims.take_claim(self._site, candidate, self.id)
        if claim is None:
            return False
        if candidate.holder not in {None, self.id} and self._watch.shares_our_machine(candidate.worker):
            # What the former holder left running could still write to where the new attempt works.
            kernel.kill_marked(f"TIDEMILL_WORKER={candidate.holder}")
        self._load(claim)
        return True

    def _load(self, claim: Claim) -> None:
        try:
            graph, scheduler = load_run(self._site, claim, self._specs, self._options.guards)
        except Fenced:
            return
        except (StorageFull, Unavailable):
            self._pauses[claim.run_id] = self._now() + _FAULT_PAUSE_SECONDS
            return
        except Exception:  # noqa: BLE001  # one bad run never stops the others
            self._record_fault(claim, traceback.format_exc())
            self._pauses[claim.run_id] = self._now() + _FAULT_PAUSE_SECONDS
            return
        full = self._full.get(claim.run_id, [])
        refusal = full[-1] if len(full) >= _MAX_TIMES_FULL else None
        driver = RunDriver(self._tools, graph, scheduler, refusal)
        self._drivers[claim.run_id] = driver
        self._guarded_turn(driver)

    def _record_fault(self, claim: Claim, text: str) -> None:
        """Count a fault of ours; a run that has too many is PAUSED, so that the others get on."""
        # on a full disk the run's row says the essential
        with suppress(OSError), open(self._site.home.logs / "engine.log", "a", encoding="utf-8") as file:
            file.write(f"{self._site.clock.now().isoformat()} run {claim.run_id}\n{text}\n")
        mine = (run_rows.c.namespace_id == claim.namespace_id, run_rows.c.id == claim.run_id)
        try:
            with self._site.database.write() as connection:
                claims.demand_claim(connection, claim, self._options.guards)
                faults = connection.execute(select(run_rows.c.engine_faults).where(*mine)).scalar_one() + 1
                values: dict[str, object] = {"engine_faults": faults}
                if faults >= self._options.max_engine_faults:
                    failure = Failure(
                        message=f"the engine failed {faults} times on this run: {text.strip().splitlines()[-1][:500]}",
                        remedy=f"see logs/engine.log of the home; then tidemill runs resume {claim.run_id}",
                    )
                    values |= {"state": State.PAUSED.value, "failure": failure.to_json(), "claimed_by": None}
                connection.execute(update(run_rows).where(*mine).values(**values))
        except (Fenced, StorageFull, Unavailable):
            return  # somebody else's by now, or to be counted the next time

    # --- the outside

    def _state_of(self, run_id: str) -> State:
        with self._site.database.read() as connection:
            state = connection.execute(select(run_rows.c.state).where(run_rows.c.id == run_id)).scalar_one_or_none()
        if state is None:
            raise NotFound(f"there is no run {run_id[:64]!r}", remedy="tidemill runs list")
        return State(state)

    def _notice_cancels(self) -> None:
        if not self._drivers or self._now() < self._cancels_at_seconds:
            return
        self._cancels_at_seconds = self._now() + self._options.poll_seconds
        query = select(run_rows.c.id).where(
            run_rows.c.id.in_(list(self._drivers)), run_rows.c.state == State.CANCELING.value
        )
        with self._site.database.read() as connection:
            asked = [str(row.id) for row in connection.execute(query)]
        for run_id in asked:
            self._drivers[run_id].cancel()

    def _beat(self) -> None:
        if self._is_registered and self._now() >= self._beat_at_seconds:
            self._beat_at_seconds = self._now() + self._options.beat_seconds
            claims.beat(self._site, self.id)

    def _now(self) -> float:
        return self._site.clock.monotonic_seconds()
