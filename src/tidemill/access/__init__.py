"""Namespaces, people, roles and tokens: who may do what; nothing is allowed that is not granted."""

from tidemill.access.model import AUTOMATIC, Actor, Namespace, Role, Token
from tidemill.access.namespaces import DEFAULT_NAMESPACE, ensure_namespace, every_namespace, find_namespace
from tidemill.access.sign_in import make_sign_in_code, redeem_sign_in_code
from tidemill.access.tokens import authenticate, create_token, list_tokens, local_token, revoke_token

__all__ = [
    "AUTOMATIC",
    "DEFAULT_NAMESPACE",
    "Actor",
    "Namespace",
    "Role",
    "Token",
    "authenticate",
    "create_token",
    "ensure_namespace",
    "every_namespace",
    "find_namespace",
    "list_tokens",
    "local_token",
    "make_sign_in_code",
    "redeem_sign_in_code",
    "revoke_token",
]
