"""The project file `tidemill.toml`: loaded strictly, checked against its pipeline, planned and handed to the slices."""

from tidemill.project.check import check_pipeline, check_project
from tidemill.project.json_schema import project_schema
from tidemill.project.load import find_project, load_project
from tidemill.project.model import Project
from tidemill.project.reference import project_reference
from tidemill.project.requests import policy_of, register_request_of, service_spec_of, tuning_request_of
from tidemill.project.scaffold import scaffold
from tidemill.project.source import ProjectSource, load_source

__all__ = [
    "Project",
    "ProjectSource",
    "check_pipeline",
    "check_project",
    "find_project",
    "load_project",
    "load_source",
    "policy_of",
    "project_reference",
    "project_schema",
    "register_request_of",
    "scaffold",
    "service_spec_of",
    "tuning_request_of",
]
