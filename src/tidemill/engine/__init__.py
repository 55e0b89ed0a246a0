"""The engine: a pipeline becomes a run; claims, scheduling, caching, launchers and logs."""

from tidemill.engine.cancel import cancel_run
from tidemill.engine.find import count_runs, get_run, list_attempts, list_metrics, list_runs, list_tasks
from tidemill.engine.logs import read_log
from tidemill.engine.model import Attempt, Failure, LogPiece, Metric, Run, RunRequest, State, Task, TaskKind
from tidemill.engine.options import WorkerOptions
from tidemill.engine.outputs import run_output
from tidemill.engine.recorded import RecordedRun, recorded_run
from tidemill.engine.resume import resume_run
from tidemill.engine.submit import submit_run
from tidemill.engine.worker import Worker, open_worker

# fmt: off
__all__ = [
    "Attempt", "Failure", "LogPiece", "Metric", "RecordedRun", "Run", "RunRequest", "State", "Task", "TaskKind",
    "Worker", "WorkerOptions", "cancel_run", "count_runs", "get_run", "list_attempts", "list_metrics", "list_runs",
    "list_tasks", "open_worker", "read_log", "recorded_run", "resume_run", "run_output", "submit_run",
]
# fmt: on
