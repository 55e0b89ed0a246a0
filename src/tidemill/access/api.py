"""Routes of access: tokens."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from tidemill.access.guard import can_administer, can_read, tells_secret
from tidemill.access.model import Actor, Role, Token
from tidemill.access.sign_in import make_sign_in_code
from tidemill.access.tokens import create_token, list_tokens, revoke_token
from tidemill.base.site import Site


class TokenRequest(BaseModel):
    """A token to make."""

    person: str = Field(min_length=1, max_length=128)
    roles: list[Role] = Field(min_length=1)
    valid_for_seconds: int | None = Field(default=None, gt=0, le=100 * 366 * 86_400)
    namespace: str | None = Field(default=None, max_length=63)


class TokenView(BaseModel):
    """A token; `secret` only in the answer that makes it."""

    id: str
    person: str
    roles: list[Role]
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    revoked_at: datetime | None
    secret: str | None = None


class SignInCodeView(BaseModel):
    """A code for `/sign-in?code=...`: good once, for some minutes."""

    code: str


class WhoAmI(BaseModel):
    """The person behind a request."""

    person: str
    namespace_id: str
    roles: list[Role]


def routes(site: Site) -> APIRouter:
    """The routes, below `/api/v1`."""
    router = APIRouter(tags=["access"])

    @router.get("/whoami")
    def whoami(actor: Annotated[Actor, Depends(can_read)]) -> WhoAmI:
        return WhoAmI(person=actor.person, namespace_id=actor.namespace_id, roles=sorted(actor.roles))

    @router.post("/sign-in-codes", status_code=201, dependencies=[Depends(tells_secret)])
    def sign_in_code(actor: Annotated[Actor, Depends(can_read)]) -> SignInCodeView:
        return SignInCodeView(code=make_sign_in_code(site, actor))

    @router.post("/tokens", status_code=201, dependencies=[Depends(tells_secret)])
    def create(body: TokenRequest, actor: Annotated[Actor, Depends(can_administer)]) -> TokenView:
        valid_for = None if body.valid_for_seconds is None else timedelta(seconds=body.valid_for_seconds)
        token, secret = create_token(
            site,
            actor,
            person=body.person,
            roles=frozenset(body.roles),
            valid_for=valid_for,
            namespace=body.namespace,
        )
        return _view(token, secret)

    @router.get("/tokens")
    def listing(actor: Annotated[Actor, Depends(can_administer)]) -> list[TokenView]:
        return [_view(token) for token in list_tokens(site, actor)]

    @router.delete("/tokens/{token_id}", status_code=204)
    def revoke(token_id: str, actor: Annotated[Actor, Depends(can_administer)]) -> None:
        revoke_token(site, actor, token_id)

    return router


def _view(token: Token, secret: str | None = None) -> TokenView:
    return TokenView(
        id=token.id,
        person=token.person,
        roles=sorted(token.roles),
        created_at=token.created_at,
        created_by=token.created_by,
        expires_at=token.expires_at,
        revoked_at=token.revoked_at,
        secret=secret,
    )
