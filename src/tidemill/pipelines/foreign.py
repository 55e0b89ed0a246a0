"""Tell what a file is that is no PipelineSpec."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tidemill.pipelines.schema import kind_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreign:
    """What a file is, and what to do with it instead."""

    what: str
    remedy: str


COMPILE = "compile the pipeline with kfp 2 or later: kfp.compiler.Compiler().compile(...)"


def what_it_is(value: Any) -> Foreign | None:
    """What a value is that cannot be a PipelineSpec; None when it may be one."""
    if not isinstance(value, dict):
        return Foreign(what=f"is not a PipelineSpec: it holds {kind_of(value)}", remedy=COMPILE)
    kind = value.get("kind")
    if str(value.get("apiVersion", "")).startswith("argoproj.io/"):
        return Foreign(what=f"is a pipeline of KFP v1 (an Argo {kind}), not a PipelineSpec", remedy=COMPILE)
    if str(value.get("apiVersion", "")).startswith("tekton.dev/"):
        return Foreign(what=f"is a Tekton {kind}, not a PipelineSpec", remedy=COMPILE)
    if "apiVersion" in value and isinstance(kind, str):
        return Foreign(what=f"is a Kubernetes object ({kind}), not a PipelineSpec", remedy=COMPILE)
    if "nbformat" in value and "cells" in value:
        return Foreign(what="is a notebook, not a PipelineSpec", remedy="compile it first: tidemill compile NOTEBOOK")
    if "implementation" in value:
        return Foreign(what="is a component of KFP v1, not a PipelineSpec", remedy=COMPILE)
    if "pipelineSpec" in value:
        return Foreign(what="is a PipelineJob, not a PipelineSpec", remedy="give what stands in its field pipelineSpec")
    if "platforms" in value:
        return Foreign(
            what="is a PlatformSpec alone", remedy="give the file with the pipeline and this as its second document"
        )
    if not {"root", "schemaVersion", "schema_version", "pipelineInfo", "pipeline_info"} & value.keys():
        return Foreign(
            what="is not a PipelineSpec: it has no root, no schemaVersion and no pipelineInfo", remedy=COMPILE
        )
    return None
