"""Traffic for the tests of monitoring: a model's reference, requests of a revision, and a service that answers."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.conftest import People
from tests.unit.gate.candidates import add_version

from tidemill.base.site import Site
from tidemill.monitoring.alerts import Alert, AlertState
from tidemill.monitoring.compact import compact
from tidemill.monitoring.rules import AlertKind
from tidemill.monitoring.spool import Spool, spool_folder
from tidemill.serving import Revision, RevisionState, Service, ServiceSpec, apply_service
from tidemill.serving import store as serving_store
from tidemill.serving.source import Prepared, Proven, Wanted
from tidemill_runtime.reference_profile import SCHEMA_VERSION, profile_column, profile_table

START = datetime(2029, 12, 31, 12, tzinfo=UTC)
ORIGINS = ("usa", "usa", "usa", "japan", "europe")
Row = dict[str, Any]


def car(random_: random.Random) -> Row:
    """One row of features, as the model of these tests was made from."""
    weight = random_.gauss(3000, 600)
    return {"weight": weight, "year": random_.randint(70, 78), "origin": random_.choice(ORIGINS)}


def consumption(row: Mapping[str, Any]) -> float:
    """What the model answers."""
    return 50.0 - float(row.get("weight") or 0) / 120


def document_of(rows: Sequence[Row], answer: Callable[[Row], Any] = consumption) -> dict[str, Any]:
    """The `model.json` of a model with these reference rows."""
    kinds = {"weight": "FP64", "year": "INT64", "origin": "BYTES"}
    columns = {name: [row[name] for row in rows] for name in kinds}
    answers = [answer(row) for row in rows]
    output = "FP64" if isinstance(answers[0], float) else "BYTES"
    return {
        "signature": {
            "inputs": [{"name": name, "datatype": kind, "shape": [-1, 1]} for name, kind in kinds.items()],
            "outputs": [{"name": "predict", "datatype": output, "shape": [-1]}],
        },
        "columns": list(kinds),
        "reference_profile": {
            "schema_version": SCHEMA_VERSION,
            "rows": len(rows),
            "inputs": profile_table(columns, kinds),
            "outputs": {"predict": profile_column(answers, output)},
        },
    }


@dataclass
class FixedSource:
    """A model source with one document for all versions, proven or not."""

    model: dict[str, Any]
    is_proven: bool = True

    def wanted(self, service: Service) -> Wanted | None:
        raise NotImplementedError

    def before(self, service: Service, generation: int) -> Proven | None:
        raise NotImplementedError

    def take_back(self, service: Service, model_version_id: str, generation: int) -> None:
        raise NotImplementedError

    def prepare(self, version: Proven, folder: Any) -> Prepared:
        raise NotImplementedError

    def is_intact(self, version: Proven, folder: Any) -> bool:
        raise NotImplementedError

    def proven(self, service: Service, model_version_id: str) -> Proven:
        from tidemill.serving.source import NotProven

        if not self.is_proven:
            raise NotProven("the review was changed")
        return Proven(namespace_id=service.namespace_id, model_version_id=model_version_id, package_digest="sha256:0")

    def document(self, version: Proven) -> dict[str, Any]:
        return self.model


def prediction_id(moment: datetime, number: int = 0) -> str:
    """A UUIDv7 of a moment."""
    milliseconds = int(moment.timestamp() * 1000)
    return f"{milliseconds >> 16:08x}-{milliseconds & 0xFFFF:04x}-7{number:03x}-8000-000000000000"


@dataclass
class Stage:
    """A service with one live revision, and the log that its predictor writes."""

    site: Site
    people: People
    service: Service
    revision: Revision
    random: random.Random = field(default_factory=lambda: random.Random(7))
    count: int = 0

    def revise(self, state: RevisionState = RevisionState.LIVE) -> Revision:
        """One more revision, in this state."""
        revision = _revision(self.site, self.people, self.service, self.revision.number + 1, state)
        self.revision = revision
        return revision

    def retire(self, revision: Revision) -> None:
        """The gateway sends it no more requests."""
        with self.site.database.write() as connection:
            serving_store.set_state(connection, revision, RevisionState.STANDBY, "", self.site.clock.now())

    def send(
        self,
        rows: Sequence[Row],
        at: datetime,
        *,
        every: timedelta = timedelta(seconds=1),
        answer: Callable[[Row], Any] = consumption,
        **changes: Any,
    ) -> list[str]:
        """One request a row from a moment on, in the log as Parquet; the prediction ids."""
        records, ids = [], []
        for place, row in enumerate(rows):
            moment = at + place * every
            self.count += 1
            ids.append(prediction_id(moment, self.count % 4096))
            values: dict[str, Any] = {
                "id": ids[-1],
                "time_ns": int(moment.timestamp() * 1e9),
                "status": 200,
                "latency_us": 900,
                "protocol": "v1",
                "inputs": [row],
                "outputs": [[answer(row)]],
                "error": None,
                "request_id": f"r-{self.count}",
            }
            records.append(list({**values, **changes}.values()))
        self.write(records)
        compact(self.site.home)
        return ids

    def write(self, records: list[Any]) -> None:
        """Records in a closed spool file."""
        frame = {
            "schema_version": 1,
            "namespace_id": self.service.namespace_id,
            "namespace": self.service.namespace,
            "service": self.service.name,
            "service_id": self.service.id,
            "revision_id": self.revision.id,
            "revision": str(self.revision.number),
            "model_version_id": self.revision.model_version_id,
            "dropped": 0,
            "records": records,
        }
        opened = Spool(spool_folder(self.site.home))
        opened.append(json.dumps(frame).encode() + b"\n")
        opened.close()

    def cars(self, count: int) -> list[Row]:
        """Rows like those of the reference."""
        return [car(self.random) for _ in range(count)]


def open_stage(site: Site, people: People) -> Stage:
    """A service `fuel` whose first revision is live."""
    service = apply_service(site, people.author, ServiceSpec(name="fuel", model="fuel"))
    revision = _revision(site, people, service, 1, RevisionState.LIVE)
    return Stage(site=site, people=people, service=service, revision=revision)


def _revision(site: Site, people: People, service: Service, number: int, state: RevisionState) -> Revision:
    version = add_version(site, people.author)
    made = Revision(
        id=site.ids.new(),
        namespace_id=service.namespace_id,
        service_id=service.id,
        number=number,
        model_version_id=version.id,
        model_label=version.label,
        state=state,
        message="",
        created_by="controller",
        created_at=site.clock.now(),
        changed_at=site.clock.now(),
        generation=1,
    )
    with site.database.write() as connection:
        serving_store.insert_revision(connection, made)
    return made


def an_alert(stage: Stage, **changes: Any) -> Alert:
    """A raised alert of the stage's service."""
    now = stage.site.clock.now()
    values: dict[str, Any] = {
        **dict.fromkeys(Alert.__slots__),
        "id": stage.site.ids.new(),
        "namespace_id": stage.service.namespace_id,
        "service_id": stage.service.id,
        "service": stage.service.name,
        "environment": "production",
        "revision_id": stage.revision.id,
        "revision": "1",
        "kind": AlertKind.DRIFT,
        "name": "drift",
        "feature": "weight",
        "state": AlertState.RAISED,
        "value": 0.9,
        "threshold": 0.2,
        "window_id": "w",
        "window_start": START,
        "window_end": START,
        "message": "",
        "raised_at": now,
        "told_at": now,
        "created_at": now,
        "generation": 1,
    }
    return Alert(**{**values, **changes})
