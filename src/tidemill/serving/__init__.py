"""Services: a live model version behind an address, its revisions, and the gateway in front."""

from tidemill.serving.apply import apply_service, delete_service
from tidemill.serving.find import get_revision, get_service, list_revisions, list_services
from tidemill.serving.gateway import Access
from tidemill.serving.model import Form, FormField, Reason, Revision, RevisionState, Service, ServiceSpec
from tidemill.serving.page import service_page
from tidemill.serving.predict import Predicted, predict
from tidemill.serving.score import Scored, score
from tidemill.serving.tokens import mint_prediction_token

__all__ = [
    "Access",
    "Form",
    "FormField",
    "Predicted",
    "Reason",
    "Revision",
    "RevisionState",
    "Scored",
    "Service",
    "ServiceSpec",
    "apply_service",
    "delete_service",
    "get_revision",
    "get_service",
    "list_revisions",
    "list_services",
    "mint_prediction_token",
    "predict",
    "score",
    "service_page",
]
