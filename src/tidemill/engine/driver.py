"""One claimed run: starts what is ready, takes in what has ended, and writes each turn in one transaction."""

from __future__ import annotations

import shutil
import signal
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from pathlib import Path

from tidemill.artifacts import Artifact
from tidemill.base.errors import StorageFull, TidemillError
from tidemill.engine import cache
from tidemill.engine.active import Active, Stop, new_active
from tidemill.engine.advance import Scheduler
from tidemill.engine.changes import Batch, write_changes
from tidemill.engine.collect import Collected, Collector, edges_of, has_small_outputs
from tidemill.engine.environments import Environment
from tidemill.engine.failures import failure_of_error, failure_of_exit, failure_of_timeout, log_tail
from tidemill.engine.graph import Node, Phase, RunGraph
from tidemill.engine.importing import import_artifact
from tidemill.engine.launchers import Exited
from tidemill.engine.model import Failure, State, TaskKind
from tidemill.engine.options import Result, Tools, done_now
from tidemill.engine.step import StepContext, input_bytes, launch_request, make_folder

_SMALL_INPUT_BYTES = 1 << 20
LIVE_SECONDS = 0.2


class RunDriver:
    """Drives a run that its worker has claimed, in the worker's thread; with a `refusal` what is left fails."""

    def __init__(self, tools: Tools, graph: RunGraph, scheduler: Scheduler, refusal: StorageFull | None = None) -> None:
        self.graph = graph
        self._refusal = refusal
        self._tools = tools
        self._scheduler = scheduler
        self._batch = Batch()
        self._ready: list[Node] = []
        self._queue: deque[tuple[Node, Environment]] = deque()
        self._active: dict[str, Active] = {}
        self._starting: list[Active] = []
        self._live_at_seconds = 0.0
        self._slots = tools.options.slot_count
        self._is_let_go = False
        self._problem: Exception | None = None
        self._deadline_seconds = self._now() + graph.seconds_left(tools.site.clock.now())
        graph.is_changed = True

    def turn(self) -> None:
        """Do everything that can be done now; raises `Fenced` or a storage error when it cannot be written."""
        if self._problem is not None:
            raise self._problem
        self._look_after_active()
        self._ready += self._scheduler.advance()
        while self._start_ready():
            self._ready += self._scheduler.advance()
        if self.graph.is_over:
            self._batch.events.append((f"run.{self.graph.state.lower()}", self.graph.id, {"name": self.graph.name}))
        batch, self._batch = self._batch, Batch()
        write_changes(self._tools.site, self.graph, batch, self._tools.options.guards)
        starting, self._starting = self._starting, []
        for active in starting:
            self._make_folder(active)
        if self.graph.is_over:
            self._tools.background.forget(partial(shutil.rmtree, self._work, ignore_errors=True))

    def holds(self, key: str) -> bool:
        """True when an attempt of this key is at work here."""
        return key in self._active

    @property
    def next_look_seconds(self) -> float:
        """After how many seconds at most the next turn is due."""
        if self._active:
            return LIVE_SECONDS
        now = self._now()
        if self._deadline_seconds < now + 60.0:
            return LIVE_SECONDS
        due = [node.not_before_seconds - now for node in self._ready if node.not_before_seconds > now]
        return max(0.0, min(due, default=60.0))

    def exited(self, exited: Exited) -> None:
        """A program has ended."""
        active = self._active[exited.key]
        active.record.exit_status = exited.status
        active.record.signal = exited.signal
        active.record.max_rss_bytes = exited.max_rss_bytes
        active.cap.trim()
        self._batch.metrics += active.new_metrics()
        if active.stop is Stop.CANCEL:
            self._finish(active, State.CANCELED)
            self._scheduler.end(active.node, State.CANCELED)
        elif active.stop is Stop.TIMEOUT:
            self._fail(
                active,
                failure_of_timeout(active.timeout_seconds, task=active.node.path, run_id=self.graph.id, log=active.log),
            )
        elif exited.lost is not None:
            self._lose(active, exited.lost)
        elif exited.status != 0:
            home = self._tools.site.home
            self._fail(active, failure_of_exit(exited, active, run_id=self.graph.id, home=home))
        else:
            self._collect(active)

    def cancel(self) -> None:
        """Somebody asked to stop: end what runs, start nothing more."""
        graph = self.graph
        if graph.is_canceling or graph.is_over:
            return
        graph.set_state(State.CANCELING, self._tools.site.clock.now())
        self._stop()

    def _stop(self) -> None:
        graph = self.graph
        graph.is_canceling = True
        self._stop_all(Stop.CANCEL)
        for node in list(graph.nodes.values()):
            if node.inner is not None and not node.state.is_final:
                graph.touch(node.inner)
        if graph.root is not None:
            graph.touch(graph.root)

    def let_go(self) -> None:
        """Drop the run as it is: its steps are killed, nothing more is written."""
        self._is_let_go = True
        for active in self._active.values():
            self._give_slot_back()
            if active.is_launched:
                self._tools.launcher.kill(active.record.id, signal.SIGKILL)
        self._active.clear()

    # --- starting

    def _start_ready(self) -> bool:
        """Start what has its inputs, environment and slot; True when something ended by that (a cache hit)."""
        waiting, self._ready = self._ready, []
        has_ended = False
        for node in waiting:
            if self.graph.is_canceling:
                self._scheduler.end(node, State.CANCELED)
                has_ended = True
            elif self._refusal is not None:
                failure = failure_of_error(self._refusal, task=node.path, run_id=self.graph.id)
                self._scheduler.end(node, State.FAILED, failure)
                has_ended = True
            elif node.not_before_seconds > self._now():
                self._ready.append(node)
            elif node.kind is TaskKind.IMPORTER:
                self._import(node)
            else:
                has_ended = self._look_at(node) or has_ended
        while self._queue and (self.graph.is_canceling or self._has_slot()):
            node, environment = self._queue.popleft()
            if self.graph.is_canceling:
                self._scheduler.end(node, State.CANCELED)
                has_ended = True
            else:
                self._start(node, environment)
        return has_ended

    def _look_at(self, node: Node) -> bool:
        """Queue a step for a slot, or make its environment first; True when the cache has its outputs."""
        environment = self._tools.environments.known(node.component)
        if environment is None:
            node.phase = Phase.PREPARING
            work = partial(self._tools.environments.prepare, node.component)
            self._in_background(work, partial(self._prepared, node))
            return False
        if node.cache_key is None and self._is_hit(node, environment):
            return True
        self._queue.append((node, environment))
        return False

    def _prepared(self, node: Node, future: Future[Environment]) -> None:
        try:
            environment = future.result()
        except (TidemillError, OSError) as problem:
            self._scheduler.end(node, State.FAILED, failure_of_error(problem, task=node.path, run_id=self.graph.id))
            return
        if environment.notice is not None:
            self._notice(f"task {node.path}: {environment.notice}")
        node.phase = Phase.READY
        self._ready.append(node)

    def _is_hit(self, node: Node, environment: Environment) -> bool:
        node.lock_digest = environment.lock_digest
        node.cache_key = cache.cache_key(node, environment.lock_digest)
        self.graph.mark(node)
        if environment.notice is not None:
            self._notice(f"task {node.path}: {environment.notice}")
        if not (self.graph.caching and node.spec.caching):
            return False
        hit = cache.look_up(self._tools.site, self._tools.blobs, self.graph.namespace_id, node.cache_key)
        if hit is None:
            return False
        node.cached = True
        node.out_parameters, node.out_artifacts = hit.parameters, hit.artifacts
        self._batch.repeated.append((hit.task_id, node))
        self._batch.edges += edges_of(self.graph.id, node)
        self._scheduler.end(node, State.SUCCEEDED)
        return True

    def _has_slot(self) -> bool:
        if self.graph.parallelism is not None:
            return len(self._active) < self.graph.parallelism
        return self._tools.used_slots < self._slots

    def _give_slot_back(self) -> None:
        if self.graph.parallelism is None:
            self._tools.used_slots -= 1

    def _start(self, node: Node, environment: Environment) -> None:
        active = new_active(self._tools, self.graph.id, node, environment)
        record = active.record
        node.phase = Phase.ACTIVE
        self.graph.move(node, State.RUNNING, record.created_at)
        self._batch.attempts.append(record)
        self._active[record.id] = active
        self._starting.append(active)
        if self.graph.parallelism is None:
            self._tools.used_slots += 1

    def _make_folder(self, active: Active) -> None:
        work = partial(make_folder, self._tools.blobs, active.node, active.folder, active.log)
        if input_bytes(active.node) > _SMALL_INPUT_BYTES:
            self._in_background(work, partial(self._launch, active))
            return
        self._launch(active, done_now(work))

    def _launch(self, active: Active, folder_made: Future[None]) -> None:
        if active.stop is not None:
            self.exited(Exited(key=active.record.id, signal=signal.SIGTERM))
            return
        try:
            folder_made.result()
            request = launch_request(
                StepContext(
                    site=self._tools.site,
                    graph=self.graph,
                    node=active.node,
                    environment=active.environment,
                    folder=active.folder,
                    attempt_id=active.record.id,
                    number=active.record.number,
                    seed=active.record.seed,
                    log=active.log,
                )
            )
            self._tools.launcher.launch(request)
            active.is_launched = True
        except (TidemillError, OSError) as problem:
            self._fail(active, failure_of_error(problem, task=active.node.path, run_id=self.graph.id))

    def _import(self, node: Node) -> None:
        self.graph.move(node, State.RUNNING, self._tools.site.clock.now())
        node.phase = Phase.ACTIVE
        work = partial(import_artifact, self._tools.site, self._tools.blobs, self.graph, node)
        self._in_background(work, partial(self._imported, node))

    def _imported(self, node: Node, future: Future[dict[str, list[Artifact]]]) -> None:
        try:
            node.out_artifacts = future.result()
        except (TidemillError, OSError) as problem:
            self._scheduler.end(node, State.FAILED, failure_of_error(problem, task=node.path, run_id=self.graph.id))
            return
        self._batch.artifacts += [one for made in node.out_artifacts.values() for one in made]
        self._batch.edges += edges_of(self.graph.id, node)
        self._scheduler.end(node, State.SUCCEEDED)

    # --- ending

    def _collect(self, active: Active) -> None:
        collector = Collector(
            site=self._tools.site,
            blobs=self._tools.blobs,
            graph=self.graph,
            node=active.node,
            attempt_id=active.record.id,
            folder=active.folder,
        )
        if active.folder.outputs.exists() and not has_small_outputs(active.folder):
            self._in_background(collector.collect, partial(self._collected, active))
            return
        self._collected(active, done_now(collector.collect))

    def _collected(self, active: Active, future: Future[Collected]) -> None:
        try:
            collected = future.result()
        except (TidemillError, OSError) as problem:
            self._fail(active, failure_of_error(problem, task=active.node.path, run_id=self.graph.id))
            return
        node = active.node
        self._finish(active, State.SUCCEEDED)
        node.out_parameters, node.out_artifacts = collected.parameters, collected.artifacts
        self._batch.artifacts += [one for made in collected.artifacts.values() for one in made]
        self._batch.metrics += [(active.record, point) for point in collected.metrics]
        if active.has_live_metrics:
            self._batch.confirmed.append(active.record.id)
        self._batch.edges += edges_of(self.graph.id, node)
        self._batch.events.append(("task.succeeded", node.id, {"run_id": self.graph.id, "task": node.path}))
        self.graph.engine_faults = 0
        self._scheduler.end(node, State.SUCCEEDED)

    def _finish(self, active: Active, state: State, failure: Failure | None = None) -> None:
        record = active.record
        record.state, record.failure = state, failure
        record.finished_at = self._tools.site.clock.now()
        if record not in self._batch.attempts:
            self._batch.attempts.append(record)
        self._active.pop(record.id, None)
        self._give_slot_back()
        clear = partial(shutil.rmtree, active.folder.root, ignore_errors=True)
        if failure is not None and failure.error == StorageFull.code:
            clear()  # else there is no room to write down that there is none
        else:
            self._tools.background.forget(clear)

    def _fail(self, active: Active, failure: Failure) -> None:
        node = active.node
        self._finish(active, State.FAILED, failure)
        node.failures += 1
        retry = node.spec.retry
        if node.failures > retry.max_retries or self.graph.is_canceling:
            self._batch.events.append(("task.failed", node.id, {"run_id": self.graph.id, "task": node.path}))
            self._scheduler.end(node, State.FAILED, failure)
            return
        wait = min(retry.backoff_seconds * retry.backoff_factor ** (node.failures - 1), retry.backoff_max_seconds)
        self._again(node, wait)

    def _lose(self, active: Active, reason: str) -> None:
        """The process was lost without its own fault: it is not counted as one of its tries."""
        node = active.node
        failure = Failure(message=reason, task=node.path, log_tail=log_tail(active.log))
        node.losses += 1
        if node.losses > self._tools.options.max_losses:
            self._fail(active, failure)
            return
        self._finish(active, State.CANCELED, failure)
        self._again(node, 0.1 * 2**node.losses)

    def _again(self, node: Node, wait_seconds: float) -> None:
        node.phase = Phase.READY
        node.not_before_seconds = self._now() + wait_seconds
        self.graph.move(node, State.PENDING, self._tools.site.clock.now())
        self._ready.append(node)

    # --- while steps run

    def _look_after_active(self) -> None:
        now = self._now()
        if now > self._deadline_seconds and not self.graph.is_canceling:
            self.graph.failure = Failure(message="the run took longer than its pipeline's active deadline")
            self._stop()
        for active in list(self._active.values()):
            active.check(self._tools.launcher, now_seconds=now, grace_seconds=self._tools.options.grace_seconds)
        if now < self._live_at_seconds:
            return
        self._live_at_seconds = now + LIVE_SECONDS
        for active in self._active.values():
            self._batch.metrics += active.new_metrics()
            active.cap.trim()

    def _stop_all(self, reason: Stop) -> None:
        for active in list(self._active.values()):
            active.end(
                self._tools.launcher,
                reason,
                now_seconds=self._now(),
                grace_seconds=self._tools.options.grace_seconds,
            )

    def _in_background(self, work: Callable[[], Result], then: Callable[[Future[Result]], None]) -> None:
        def follow(future: Future[Result]) -> None:
            if self._is_let_go or self._problem is not None:
                return
            try:
                then(future)
            except Exception as problem:  # noqa: BLE001  # raised by the next turn, where it counts for this run
                self._problem = problem

        self._tools.background.submit(work, follow)

    def _notice(self, text: str) -> None:
        if text not in self.graph.notices:
            self.graph.notices.append(text)
            self.graph.is_changed = True

    @property
    def _work(self) -> Path:
        return self._tools.site.home.work / self.graph.id

    def _now(self) -> float:
        return self._tools.site.clock.monotonic_seconds()
