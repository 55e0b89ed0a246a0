"""What a project file asks of the slices below, in their own nouns."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tidemill.base.errors import InvalidInput
from tidemill.pipelines import Pipeline
from tidemill.project.model import ModelPlan, Project, ServicePlan, TriggerPlan, TuningPlan

# The slices bring the database along; a compile reads a project file without it.
if TYPE_CHECKING:
    from tidemill.gate import Policy
    from tidemill.monitoring.rules import Rules
    from tidemill.notify import NotifyPlan
    from tidemill.registry import RegisterRequest
    from tidemill.serving import ServiceSpec
    from tidemill.triggers import Action, TriggerSpec
    from tidemill.tuning import TuningRequest


def policy_json(project: Project, environment: str) -> dict[str, Any]:
    """The policy of an environment: `[gate]` with the fields of `[environments.NAME.gate]` in place of its own.

    One that is automatic says which outputs a version is made of: those of `[model]`. Its target is enough for the
    check of features that leak it, and with rules of hygiene for the comparison with what is live.
    """
    special = project.environments.get(environment)
    policy = {**project.gate, **(special.gate if special is not None else {})}
    if policy.get("automatic") and project.model is not None:
        model = project.model
        policy["outputs"] = {"model": model.output, "sample": model.sample, "profile": model.profile}
    compared = _on_rows(project, policy, "challenger", always="hygiene" in policy)
    leak = _on_rows(project, policy, "leak", always=True)
    if leak is not None and "allowed" in leak:
        leak["allowed"] = {column: each["because"] for column, each in leak["allowed"].items()}
    more = {"challenger": compared, "leak": leak}
    return {**policy, **{name: rule for name, rule in more.items() if rule is not None}}


def _on_rows(project: Project, policy: Mapping[str, Any], name: str, *, always: bool) -> dict[str, Any] | None:
    """A rule about rows and their true values, those of `[model]` unless it names its own; None where there is none."""
    declared = dict(policy.get(name, {}))
    if project.model is not None:
        target = project.model.target
        if declared or (target and always):
            declared.setdefault("rows", project.model.sample)
            declared.update({"target": target} if target and "target" not in declared else {})
    return declared or None


def policy_of(project: Project, environment: str) -> Policy:
    """The gate's policy of an environment; the gate's own default where the file says nothing."""
    from tidemill.gate import parse_policy

    return parse_policy(policy_json(project, environment), place=f"{project.path}: gate")


def rules_of_project(project: Project) -> Rules | None:
    """What is watched of the service as the project declares it; None where it leaves that to the usual."""
    from tidemill.monitoring.rules import parse_rules

    return None if project.monitor is None else parse_rules(project.monitor, place=f"{project.path}: monitor")


def notify_plan_of(project: Project) -> NotifyPlan | None:
    """Who is told of what as the project declares it; None where it names nobody."""
    from tidemill.notify import parse_plan

    return None if project.notify is None else parse_plan(project.notify, place="notify")


def service_spec_of(project: Project) -> ServiceSpec:
    """The service as the project declares it; units of columns come from `[model.columns]`."""
    from tidemill.serving import Access, Form, FormField, ServiceSpec
    from tidemill.serving.rollout.plan import plan_from_json

    service = _service(project)
    model = project.model
    columns = model.columns if model is not None else {}
    special = project.environments.get(service.environment)
    fields = tuple(
        FormField(
            column=field.column,
            label=field.label,
            unit=field.unit,
            model_unit=columns[field.column].unit if field.column in columns else "",
            example=field.example,
        )
        for field in service.form
    )
    return ServiceSpec(
        name=service.name,
        environment=service.environment,
        model=model.name if model is not None else "",
        access=Access((special.access if special is not None else "") or service.access),
        timeout_seconds=float(service.timeout_seconds),
        form=Form(
            title=service.title,
            fields=fields,
            output_label=service.output_label,
            output_unit=service.output_unit,
            model_output_unit=model.prediction.unit if model is not None else "",
        ),
        rollout=plan_from_json({**service.rollout, **(special.rollout if special is not None else {})}),
    )


def tuning_request_of(project: Project, pipeline: Pipeline) -> TuningRequest:
    """The search as the project declares it, with `[parameters]` fixed where they are not searched."""
    from tidemill.tuning import Direction, TuningRequest, parse_space

    tuning = _tuning(project)
    return TuningRequest(
        pipeline=pipeline,
        space=parse_space(
            {name: dict(each) for name, each in tuning.space.items()}, place=f"{project.path}: tuning.space"
        ),
        objective=tuning.objective,
        direction=Direction(tuning.direction),
        trials=tuning.trials,
        parallel=tuning.parallel,
        seed=tuning.seed,
        name=project.name,
        experiment=project.experiment or "Default",
        parameters={name: value for name, value in project.parameters.items() if name not in tuning.space},
    )


def triggers_of(project: Project, *, file: str) -> list[TriggerSpec]:
    """The triggers as the project declares them; `file` is where it is applied from, as `host:path`.

    Raises `InvalidInput` for a repository or path that is relative to a file on another machine.
    """
    from tidemill.triggers import CatchUp, Concurrency, TriggerSpec

    folder = _folder_here(file)
    return [
        TriggerSpec(
            name=plan.name,
            kind=plan.kind,
            action=_action_of(project, plan, folder),
            settings=_trigger_settings(plan, folder),
            concurrency=Concurrency(plan.concurrency),
            cooldown_seconds=plan.cooldown_seconds,
            catch_up=CatchUp(plan.catch_up),
            catch_up_limit=plan.catch_up_limit,
        )
        for plan in project.triggers.values()
    ]


def _action_of(project: Project, plan: TriggerPlan, folder: Path | None) -> Action:
    from tidemill.triggers import Action, ModelOutputs, Then

    model, service = project.model, project.service
    environment = plan.environment or (service.environment if service is not None else "production")
    outputs = None
    if model is not None:
        outputs = ModelOutputs(name=model.name, output=model.output, sample=model.sample, profile=model.profile)
    return Action(
        project=project.name,
        environment=environment,
        then=Then(plan.then),
        service=service.name if service is not None else "",
        experiment=project.experiment or "Default",
        model=outputs,
        policy=policy_json(project, environment),
        repository=_absolute(plan, "repository", folder),
        branch=str(plan.settings.get("branch", "")),
        folder="" if folder is None else str(folder),
    )


def _trigger_settings(plan: TriggerPlan, folder: Path | None) -> dict[str, Any]:
    settings = {key: value for key, value in plan.settings.items() if key not in ("repository", "options")}
    if "repository" in plan.settings:
        settings["repository"] = _absolute(plan, "repository", folder)
    elif plan.kind == "data" and "path" in settings:
        settings["path"] = _absolute(plan, "path", folder)
    return {**dict(plan.settings.get("options", {})), **settings}


def _absolute(plan: TriggerPlan, key: str, folder: Path | None) -> str:
    """A repository or path of the site's machine, seen from the project's folder; an address stays as it is."""
    given = str(plan.settings.get(key, ""))
    is_relative = given.startswith(".") if key == "repository" else bool(given) and not given.startswith("/")
    if not is_relative:
        return given
    if folder is None:
        raise InvalidInput(
            f"{given[:80]!r} is relative to a folder that is not on the site's machine",
            place=f"triggers.{plan.name}.{key}",
            remedy="write an address, or a path that starts with a slash",
        )
    return os.path.normpath(folder / given)


def _folder_here(file: str) -> Path | None:
    """The folder of the applied file when it is on this machine."""
    host, _, path = file.partition(":")
    return Path(path).parent if host == socket.gethostname() and path.startswith("/") else None


def register_request_of(
    project: Project,
    run_id: str,
    *,
    data_versions: dict[str, str] | None = None,
    code_commit: str | None = None,
    author: str | None = None,
) -> RegisterRequest:
    """The request to make a model version of a run, as `[model]` says."""
    from tidemill.registry import RegisterRequest

    model = _model(project)
    return RegisterRequest(
        run_id=run_id,
        model=model.name,
        model_output=model.output,
        sample_output=model.sample,
        profile_output=model.profile or None,
        data_versions=data_versions or {},
        code_commit=code_commit,
        author=author,
    )


def _service(project: Project) -> ServicePlan:
    if project.service is None:
        raise _missing(project, "service")
    return project.service


def _tuning(project: Project) -> TuningPlan:
    if project.tuning is None:
        raise _missing(project, "tuning")
    return project.tuning


def _model(project: Project) -> ModelPlan:
    if project.model is None:
        raise _missing(project, "model")
    return project.model


def _missing(project: Project, table: str) -> InvalidInput:
    return InvalidInput(f"has no table [{table}]", place=str(project.path), remedy=f"add [{table}] to it")
