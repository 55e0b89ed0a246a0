"""The tables of the engine."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.engine.interfaces import Dialect

from tidemill.base.database import UtcTime


class JsonText(TypeDecorator[Any]):
    """JSON as text: parameters may be NaN or infinite, which PostgreSQL's own JSON refuses."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else json.dumps(value, ensure_ascii=False, separators=(",", ":"))

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        return None if value is None else json.loads(value)


metadata = MetaData()

spec_rows = Table(
    "pipeline_spec",
    metadata,
    Column("namespace_id", String(36), primary_key=True),
    Column("digest", String(71), primary_key=True),
    Column("text", Text, nullable=False),
    Column("created_by", String(128), nullable=False),
    Column("created_at", UtcTime, nullable=False),
)

run_rows = Table(
    "run",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("namespace_id", String(36), nullable=False),
    Column("name", String(256), nullable=False),
    Column("experiment", String(256), nullable=False),
    Column("state", String(16), nullable=False),
    Column("pipeline_name", String(256), nullable=False),
    Column("spec_digest", String(71), nullable=False),
    Column("parameters", JsonText, nullable=False),
    Column("artifacts", JsonText, nullable=False),
    Column("caching", Boolean, nullable=False),
    Column("parallelism", Integer),
    Column("origin", JsonText, nullable=False),
    Column("outputs", JsonText, nullable=False),
    Column("failure", JsonText),
    Column("notices", JsonText, nullable=False),
    Column("trace_id", String(36), nullable=False),
    Column("claimed_by", String(36)),
    Column("fencing_token", Integer, nullable=False),
    Column("engine_faults", Integer, nullable=False),
    Column("seal", String(160)),
    Column("end_seal", String(160)),
    Column("started_at", UtcTime),
    Column("finished_at", UtcTime),
    Column("generation", Integer, nullable=False),
    Column("created_by", String(128), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Index("run_listing", "namespace_id", "id"),
    Index("run_state", "state"),
)

task_rows = Table(
    "task",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("namespace_id", String(36), nullable=False),
    Column("run_id", String(36), nullable=False),
    Column("parent_id", String(36)),
    Column("path", Text, nullable=False),
    Column("name", String(256), nullable=False),
    Column("display_name", String(256), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("iteration", Integer),
    Column("cached", Boolean, nullable=False),
    Column("cache_key", String(71)),
    Column("lock_digest", String(71)),
    Column("parameters", JsonText, nullable=False),
    Column("input_artifacts", JsonText, nullable=False),
    Column("output_parameters", JsonText, nullable=False),
    Column("output_artifacts", JsonText, nullable=False),
    Column("failure", JsonText),
    Column("attempts", Integer, nullable=False),
    Column("seal", String(160)),
    Column("started_at", UtcTime),
    Column("finished_at", UtcTime),
    Column("generation", Integer, nullable=False),
    Column("created_by", String(128), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Index("task_run", "namespace_id", "run_id"),
    Index("task_cache", "namespace_id", "cache_key"),
)

attempt_rows = Table(
    "attempt",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("namespace_id", String(36), nullable=False),
    Column("run_id", String(36), nullable=False),
    Column("task_id", String(36), nullable=False),
    Column("number", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("worker_id", String(36), nullable=False),
    Column("fencing_token", Integer, nullable=False),
    Column("seed", BigInteger, nullable=False),
    Column("exit_status", Integer),
    Column("signal", Integer),
    Column("max_rss_bytes", BigInteger),
    Column("log", Text, nullable=False),
    Column("failure", JsonText),
    Column("finished_at", UtcTime),
    Column("created_by", String(128), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    UniqueConstraint("task_id", "number", name="attempt_number"),
    Index("attempt_run", "namespace_id", "run_id"),
)

metric_rows = Table(
    "metric",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("namespace_id", String(36), nullable=False),
    Column("run_id", String(36), nullable=False),
    Column("task_id", String(36), nullable=False),
    Column("attempt_id", String(36), nullable=False),
    Column("task_path", Text, nullable=False),
    Column("name", String(256), nullable=False),
    # no two databases store NaN and infinities alike: those stand as text in `special`
    Column("value", Float),
    Column("special", String(16)),
    Column("step", BigInteger, nullable=False),
    Column("provisional", Boolean, nullable=False),
    Column("created_by", String(128), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Index("metric_run", "namespace_id", "run_id"),
    Index("metric_attempt", "attempt_id"),
    Index("metric_task", "namespace_id", "task_id"),
)

worker_rows = Table(
    "worker",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("namespace_id", String(36), nullable=False),
    Column("host", String(128), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("start_ticks", BigInteger),
    Column("beat", BigInteger, nullable=False),
    Column("stopped_at", UtcTime),
    Column("created_by", String(128), nullable=False),
    Column("created_at", UtcTime, nullable=False),
)
