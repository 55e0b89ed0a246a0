"""What differs between two pipeline versions, for whoever has to approve one: code of steps, parameters, locks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import unified_diff
from typing import Any

from tidemill.access import Actor
from tidemill.access.model import Permission
from tidemill.base.errors import NotFound
from tidemill.base.site import Site
from tidemill.gate.approved_pipeline import approved_pipeline
from tidemill.gate.find import get_review
from tidemill.gate.model import ApprovedPipeline, PipelineVersion
from tidemill.gate.pipeline_version import stored_pipeline
from tidemill.locks import pip_command_requirements
from tidemill.pipelines import Pipeline
from tidemill.pipelines.model import Component, ContainerExecutor
from tidemill.registry.run_step import program_of

MAX_LINES = 400
MAX_LINE_CHARACTERS = 500
MAX_STEPS = 200


def pipeline_difference(site: Site, actor: Actor, review_id: str) -> dict[str, Any]:
    """How the pipeline version of a review differs from the one that is approved there now; `NotFound` without one."""
    actor.demand(Permission.READ)
    review = get_review(site, actor, review_id)
    if review.pipeline is None:
        raise NotFound("this review approves no pipeline version", place=f"review {review.id}")
    with site.database.read() as connection:
        known = approved_pipeline(connection, site, actor.namespace_id, review.pipeline.project, review.environment)
    return difference(site, actor.namespace_id, review.pipeline, known)


def difference(
    site: Site, namespace_id: str, wanted: PipelineVersion, known: ApprovedPipeline | None
) -> dict[str, Any]:
    """As JSON: what `wanted` is compared with, the steps that differ with the lines of their code, parameters, locks.

    Values are pairs (approved, wanted), None where one side lacks them; without an approved one all of it is new.
    """
    old = None if known is None else known.version
    before = {} if old is None else dict(_steps(stored_pipeline(site, namespace_id, old.spec_digest)))
    after = dict(_steps(stored_pipeline(site, namespace_id, wanted.spec_digest)))
    return {
        "against": None if known is None else {"review_id": known.review_id, "approved_by": list(known.approved_by)},
        "same": known is not None and not known.version.departures(wanted),
        "spec_digest": [None if old is None else old.spec_digest, wanted.spec_digest],
        "steps": _changed_steps(before, after),
        "parameters": _pairs({} if old is None else old.parameters, wanted.parameters),
        "locks": _pairs({} if old is None else old.locks, wanted.locks),
        "data": [[] if old is None else list(old.data), list(wanted.data)],
    }


def _steps(pipeline: Pipeline) -> Iterator[tuple[str, Component]]:
    def walk(component: Component, path: str) -> Iterator[tuple[str, Component]]:
        for name, task in component.dag.tasks.items() if component.dag is not None else ():
            inner = pipeline.components[task.component]
            if inner.dag is None:
                yield f"{path}{name}", inner
            else:
                yield from walk(inner, f"{path}{name}/")

    yield from walk(pipeline.root, "")


def _changed_steps(before: Mapping[str, Component], after: Mapping[str, Component]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    left = MAX_LINES
    for path in list(dict.fromkeys([*after, *before]))[:MAX_STEPS]:
        old, new = before.get(path), after.get(path)
        if old is not None and new is not None and old.digest == new.digest:
            continue
        lines = list(unified_diff(_code(old), _code(new), "approved", "asked for", lineterm="", n=2))
        change = "added" if old is None else "removed" if new is None else "changed"
        found.append({"step": path, "change": change, "lines": lines[:left], "more_lines": max(0, len(lines) - left)})
        left = max(0, left - len(lines))
    return found


def _code(component: Component | None) -> list[str]:
    """The code of a step as lines: the cells of a notebook's step, else its command."""
    executor = None if component is None else component.executor
    if not isinstance(executor, ContainerExecutor):
        return []
    command = pip_command_requirements(executor.command, executor.args)
    program = None if command is None else program_of(command)
    if program is None:
        text = "\n".join([executor.image, *map(str, executor.command), *map(str, executor.args)])
    else:
        parts = ("prelude", "imports", "settings", "cells")
        text = "\n".join(str(cell.get("code", "")) for part in parts for cell in program.get(part, []))
    return [line[:MAX_LINE_CHARACTERS] for line in text.splitlines()]


def _pairs(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, list[Any]]:
    return {
        name: [old.get(name), new.get(name)]
        for name in sorted({*old, *new})
        if (name in old) is not (name in new) or old.get(name) != new.get(name)
    }
