"""Pipelines: a KFP v2 PipelineSpec loaded strictly into frozen nouns, checked, planned, and its expressions evaluated.

Public too: the nouns in `model` and `platform_model`; for other strict loaders, `documents` and `schema`.
"""

from tidemill.pipelines.arguments import check_arguments, check_value, parse_arguments
from tidemill.pipelines.conditions import check_condition, evaluate_condition, select_value
from tidemill.pipelines.digest import spec_digest
from tidemill.pipelines.imports import local_imports
from tidemill.pipelines.loader import load_pipeline
from tidemill.pipelines.model import MISSING, Component, Dag, Pipeline, TaskSpec
from tidemill.pipelines.placeholders import PlaceholderContext, resolve_env, resolve_placeholders, resolve_value
from tidemill.pipelines.plan import Plan, plan
from tidemill.pipelines.resources import ResourceNeeds, parse_quantity, resolve_resources

__all__ = [
    "MISSING",
    "Component",
    "Dag",
    "Pipeline",
    "PlaceholderContext",
    "Plan",
    "ResourceNeeds",
    "TaskSpec",
    "check_arguments",
    "check_condition",
    "check_value",
    "evaluate_condition",
    "load_pipeline",
    "local_imports",
    "parse_arguments",
    "parse_quantity",
    "plan",
    "resolve_env",
    "resolve_placeholders",
    "resolve_resources",
    "resolve_value",
    "select_value",
    "spec_digest",
]
