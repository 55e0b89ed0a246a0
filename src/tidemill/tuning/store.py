"""The tables of tuning and their queries."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    Connection,
    Float,
    Index,
    Integer,
    MetaData,
    RowMapping,
    String,
    Table,
    Text,
    and_,
    insert,
    select,
    update,
)

from tidemill.base.database import UtcTime
from tidemill.tuning.model import Direction, Trial, TrialState, Tuning, TuningState
from tidemill.tuning.space import parse_space, space_to_json

metadata = MetaData()

tuning_rows = Table(
    "tuning",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("namespace_id", String(36), nullable=False),
    Column("name", String(128), nullable=False),
    Column("state", String(16), nullable=False),
    Column("objective", String(400), nullable=False),
    Column("direction", String(16), nullable=False),
    Column("space", JSON, nullable=False),
    Column("parameters", JSON, nullable=False),
    Column("pipeline_digest", String(71), nullable=False),
    Column("trials_wanted", Integer, nullable=False),
    Column("parallel", Integer, nullable=False),
    Column("seed", Integer, nullable=False),
    Column("experiment", String(128), nullable=False),
    Column("origin", JSON, nullable=False),
    Column("created_by", String(128), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("finished_at", UtcTime),
    Column("generation", Integer, nullable=False),
    Index("tuning_state", "state"),
)

trial_rows = Table(
    "trial",
    metadata,
    Column("tuning_id", String(36), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("namespace_id", String(36), nullable=False),
    Column("state", String(16), nullable=False),
    Column("parameters", JSON, nullable=False),
    Column("run_id", String(36)),
    Column("value", Float(53)),
    Column("reason", Text),
    Column("claimed_until", UtcTime, nullable=False),
    Column("created_by", String(128), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("finished_at", UtcTime),
    Column("generation", Integer, nullable=False),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialChange:
    """What to write into a trial that nobody else changed meanwhile; None leaves a field as it is."""

    state: TrialState
    run_id: str | None = None
    value: float | None = None
    reason: str | None = None
    claimed_until: datetime | None = None
    finished_at: datetime | None = None


def insert_tuning(connection: Connection, tuning: Tuning) -> None:
    """Add a tuning without trials."""
    same = ("id", "namespace_id", "name", "objective", "parameters", "pipeline_digest", "trials_wanted", "parallel")
    more = ("seed", "experiment", "origin", "created_by", "created_at", "generation")
    connection.execute(
        insert(tuning_rows).values(
            **{name: getattr(tuning, name) for name in (*same, *more)},
            state=tuning.state.value,
            direction=tuning.direction.value,
            space=space_to_json(tuning.space),
        )
    )


def tuning_by_id(connection: Connection, namespace_id: str, tuning_id: str, *, lock: bool = False) -> Tuning | None:
    """The tuning with its trials; `lock` holds its row until the transaction ends."""
    query = select(tuning_rows).where(tuning_rows.c.namespace_id == namespace_id, tuning_rows.c.id == tuning_id)
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    return None if row is None else _tunings(connection, namespace_id, [row._mapping])[0]


def tunings_of(connection: Connection, namespace_id: str, *, before: str | None, limit: int) -> list[Tuning]:
    """Tunings, newest first, those with an id below `before`."""
    query = select(tuning_rows).where(tuning_rows.c.namespace_id == namespace_id)
    if before is not None:
        query = query.where(tuning_rows.c.id < before)
    rows = connection.execute(query.order_by(tuning_rows.c.id.desc()).limit(limit)).all()
    return _tunings(connection, namespace_id, [row._mapping for row in rows])


def running_tunings(connection: Connection) -> list[tuple[str, str]]:
    """Namespace and id of every tuning that goes on, oldest first, over all namespaces."""
    rows = connection.execute(
        select(tuning_rows.c.namespace_id, tuning_rows.c.id)
        .where(tuning_rows.c.state == TuningState.RUNNING.value)
        .order_by(tuning_rows.c.id)
    )
    return [(row.namespace_id, row.id) for row in rows]


def close_tuning(connection: Connection, tuning: Tuning, state: TuningState, now: datetime) -> bool:
    """Write a final state if the tuning still goes on."""
    changed = connection.execute(
        update(tuning_rows)
        .where(
            tuning_rows.c.namespace_id == tuning.namespace_id,
            tuning_rows.c.id == tuning.id,
            tuning_rows.c.state == tuning.state.value,
        )
        .values(state=state.value, finished_at=now, generation=tuning_rows.c.generation + 1)
    )
    return changed.rowcount == 1


def insert_trial(connection: Connection, tuning: Tuning, trial: Trial) -> None:
    """Add a claimed trial."""
    connection.execute(
        insert(trial_rows).values(
            tuning_id=tuning.id,
            number=trial.number,
            namespace_id=tuning.namespace_id,
            state=trial.state.value,
            parameters=trial.parameters,
            claimed_until=trial.claimed_until,
            created_by=tuning.created_by,
            created_at=trial.started_at,
            generation=trial.generation,
        )
    )


def change_trial(connection: Connection, tuning: Tuning, trial: Trial, change: TrialChange) -> bool:
    """Change a trial; False when somebody else changed it since it was read."""
    fields = ("run_id", "value", "reason", "claimed_until", "finished_at")
    values: dict[str, Any] = {name: getattr(change, name) for name in fields if getattr(change, name) is not None}
    changed = connection.execute(
        update(trial_rows)
        .where(
            and_(trial_rows.c.namespace_id == tuning.namespace_id, trial_rows.c.tuning_id == tuning.id),
            trial_rows.c.number == trial.number,
            trial_rows.c.generation == trial.generation,
        )
        .values(state=change.state.value, generation=trial.generation + 1, **values)
    )
    return changed.rowcount == 1


def _tunings(connection: Connection, namespace_id: str, rows: list[RowMapping]) -> list[Tuning]:
    trials: dict[str, list[Trial]] = {row["id"]: [] for row in rows}
    for row in connection.execute(
        select(trial_rows)
        .where(trial_rows.c.namespace_id == namespace_id, trial_rows.c.tuning_id.in_(list(trials)))
        .order_by(trial_rows.c.number)
    ):
        trials[row.tuning_id].append(_trial(row._mapping))
    return [_tuning(row, tuple(trials[row["id"]])) for row in rows]


def _trial(row: RowMapping) -> Trial:
    return Trial(
        number=row["number"],
        state=TrialState(row["state"]),
        parameters=row["parameters"],
        run_id=row["run_id"],
        value=row["value"],
        reason=row["reason"],
        claimed_until=row["claimed_until"],
        started_at=row["created_at"],
        finished_at=row["finished_at"],
        generation=row["generation"],
    )


def _tuning(row: RowMapping, trials: tuple[Trial, ...]) -> Tuning:
    same = {name: row[name] for name in Tuning.__slots__ if name in row}
    return Tuning(
        **{
            **same,
            "state": TuningState(row["state"]),
            "direction": Direction(row["direction"]),
            "space": parse_space(row["space"], place=f"tuning {row['id']}"),
            "trials": trials,
        }
    )
