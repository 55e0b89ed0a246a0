"""The handler of MLflow's effects: a run, a model version or a live pointer, shown there as it is here now.

It is a mirror: nothing here reads MLflow to decide anything but what is still missing in it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tidemill.access import Actor, Role
from tidemill.artifacts import artifact
from tidemill.base.errors import NotFound
from tidemill.base.home import Home
from tidemill.base.outbox import QueuedEffect, Topic, Undeliverable
from tidemill.base.site import Site
from tidemill.engine import Run, get_run, list_metrics, list_tasks
from tidemill.engine.mlflow_files import ARTIFACT_NAME
from tidemill.registry import ModelVersion, RunOutputs, live_pointer, version_in
from tidemill.tracking import shape
from tidemill.tracking.client import MlflowClient, MlflowRefusal
from tidemill.tracking.notice import TOPIC

ATTEMPT_SECONDS, TALK_SECONDS = 60.0, 50.0
VERSION_TAG = "tidemill.version"
_POINTS_AT_ONCE, _PARAMS_AT_ONCE = 900, 100
_TEMPORARY = frozenset({"TEMPORARILY_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED", "RESOURCE_EXHAUSTED", "INTERNAL_ERROR"})


def mlflow_topic(site_url: Callable[[Home], str]) -> Topic:
    """The topic of MLflow's effects; `site_url` is where people reach the site, for the links in MLflow."""
    return Topic(
        name=TOPIC,
        deliver=lambda site, effect: mirror(site, effect, site_url(site.home)),
        attempt_seconds=ATTEMPT_SECONDS,
    )


def mirror(site: Site, effect: QueuedEffect, site_url: str) -> None:
    """Show one thing in MLflow as it is now; done again it changes nothing."""
    kind, *words = str(effect.payload["thing"]).split(" ")
    with MlflowClient(site.home, effect.namespace_id, seconds=TALK_SECONDS) as client:
        one = _Mirror(site, effect.namespace_id, client, site_url)
        try:
            if kind == "run":
                one.show_run(words[0])
            elif kind == "version":
                one.show_version(version_in(site, effect.namespace_id, words[0]))
            else:
                one.show_pointer(environment=words[0], service=words[1])
        except MlflowRefusal as problem:
            if problem.mlflow_code in _TEMPORARY:
                raise
            raise Undeliverable(str(problem)) from problem
        except NotFound as problem:
            raise Undeliverable(f"it is not there any more: {problem}") from problem


class _Mirror:
    """One conversation about one namespace."""

    def __init__(self, site: Site, namespace_id: str, client: MlflowClient, site_url: str) -> None:
        self._site_url = site_url.rstrip("/")
        self._site = site
        self._client = client
        self._actor = Actor(person=TOPIC, namespace_id=namespace_id, roles=frozenset({Role.VIEWER}))

    def show_run(self, run_id: str) -> str | None:
        """The id of a run in MLflow, brought up to date; None when somebody deleted it there, which stands."""
        run = get_run(self._site, self._actor, run_id)
        found = self._run(run)
        if found is None:
            return None
        shown = str(found["info"]["run_id"])
        # a parameter never changes there, so what a resumed run did otherwise is not told
        known = {each["key"] for each in found.get("data", {}).get("params", [])}
        told = shape.params_of({**run.parameters, **self._logged(run), **run.parameters})
        for params in shape.in_batches([each for each in told if each["key"] not in known], _PARAMS_AT_ONCE):
            self._client.post("runs/log-batch", run_id=shown, params=params)
        ended = {}
        if run.state.is_final:
            versions = RunOutputs(self._site, run.namespace_id, run.id).data_versions()
            self._client.post("runs/log-batch", run_id=shown, tags=shape.data_tags_of(versions))
            points = shape.metrics_of(list_metrics(self._site, self._actor, run.id))
            for metrics in shape.in_batches(points, _POINTS_AT_ONCE):
                self._client.post("runs/log-batch", run_id=shown, metrics=metrics)
            ended = {"end_time": shape.milliseconds(run.finished_at or run.created_at)}
        self._client.post("runs/update", run_id=shown, run_name=run.name, status=shape.status_of(run.state), **ended)
        return shown

    def show_version(self, version: ModelVersion) -> str:
        """The number of a model version in MLflow's registry."""
        shown = self._version(version.label)
        if shown is None:
            self._unless_there("registered-models/create", name=version.model)
            run = self.show_run(version.run_id)
            tags = {
                VERSION_TAG: version.label,
                "tidemill.package_digest": version.package_digest,
                "tidemill.author": version.author,
            }
            made = self._client.post(
                "model-versions/create",
                name=version.model,
                source=f"runs:/{run or version.run_id}/model",
                description=f"{version.label} in Tidemill",
                tags=[*shape.told(tags), *shape.data_tags_of(version.data_versions)],
                **({} if run is None else {"run_id": run}),
            )
            shown = str(made["model_version"]["version"])
        self._client.post(
            "model-versions/set-tag", name=version.model, version=shown, key="tidemill.state", value=version.state.value
        )
        return shown

    def show_pointer(self, *, environment: str, service: str) -> None:
        """Put the alias `environment-service` where the live pointer is, and nowhere else."""
        alias = f"{environment}-{service}"
        pointer = live_pointer(self._site, self._actor, environment=environment, service=service)
        live = None if pointer is None else version_in(self._site, self._actor.namespace_id, pointer.model_version_id)
        for model in self._models():
            aliases = {each["alias"] for each in model.get("aliases", [])}
            if alias in aliases and (live is None or model["name"] != live.model):
                self._client.delete("registered-models/alias", name=model["name"], alias=alias)
        if live is not None:
            number = self.show_version(live)
            self._client.post("registered-models/alias", name=live.model, alias=alias, version=number)

    def _run(self, run: Run) -> dict[str, Any] | None:
        """A run as MLflow has it, made when it is missing; None when it, or its experiment, was deleted."""
        experiment = self._experiment(run.experiment)
        if experiment is None:
            return None
        found = self._client.post(
            "runs/search",
            experiment_ids=[experiment],
            filter=f"tags.`{shape.RUN_TAG}` = '{run.id}'",
            run_view_type="ALL",
            max_results=1,
        ).get("runs", [])
        if not found:
            made = self._client.post(
                "runs/create",
                experiment_id=experiment,
                run_name=run.name,
                start_time=shape.milliseconds(run.started_at or run.created_at),
                tags=shape.tags_of(run, f"{self._site_url}/runs/{run.id}"),
            )
            found = [made["run"]]
        shown: dict[str, Any] = found[0]
        return None if shown["info"].get("lifecycle_stage") == "deleted" else shown

    def _logged(self, run: Run) -> dict[str, Any]:
        """The parameters that the steps of a run logged; none of one that goes on."""
        if not run.state.is_final:
            return {}
        tasks = list_tasks(self._site, self._actor, run.id)
        ids = [one for task in tasks for one in task.output_artifacts.get(ARTIFACT_NAME, ())]
        return shape.logged_params(artifact(self._site, self._actor, one) for one in ids)

    def _experiment(self, name: str) -> str | None:
        """The id of an experiment, made when it is missing; None when somebody deleted it there."""
        self._unless_there("experiments/create", name=name)
        found = self._client.get("experiments/get-by-name", experiment_name=name)["experiment"]
        return None if found.get("lifecycle_stage") == "deleted" else str(found["experiment_id"])

    def _version(self, label: str) -> str | None:
        model = label.rpartition("@")[0]
        query = f"name = '{model}' and tags.`{VERSION_TAG}` = '{label}'"
        found = self._client.get("model-versions/search", filter=query, max_results="1").get("model_versions", [])
        return str(found[0]["version"]) if found else None

    def _models(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        token = ""
        while True:
            page = self._client.get("registered-models/search", max_results="100", page_token=token)
            found += page.get("registered_models", [])
            token = page.get("next_page_token", "")
            if not token:
                return found

    def _unless_there(self, path: str, **body: object) -> None:
        try:
            self._client.post(path, **body)
        except MlflowRefusal as problem:
            if problem.mlflow_code != "RESOURCE_ALREADY_EXISTS":
                raise
