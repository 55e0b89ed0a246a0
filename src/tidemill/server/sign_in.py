"""The browser's way in: a one-time link sets a session cookie."""

from __future__ import annotations

from fastapi.responses import RedirectResponse

from tidemill.access import redeem_sign_in_code
from tidemill.access.sign_in import SESSION_LASTS
from tidemill.base.errors import InvalidInput
from tidemill.base.site import Site

SESSION_COOKIE = "tidemill_session"
"""HttpOnly and SameSite=Strict: no script reads it, no other site sends it; Origin is checked on every request."""


def signed_in(site: Site, code: str, then: str) -> RedirectResponse:
    """Redeem the code and go on to a path of this site; `Unauthenticated` for a code that is not good."""
    if not then.startswith("/") or then.startswith(("//", "/\\")):
        raise InvalidInput("leads away from this site", place="then")
    _, secret = redeem_sign_in_code(site, code)
    response = RedirectResponse(then, status_code=303)
    response.set_cookie(
        SESSION_COOKIE, secret, max_age=int(SESSION_LASTS.total_seconds()), httponly=True, samesite="strict"
    )
    return response
