"""Prediction tokens: for one service, for a while, signed by the site's own key."""

from __future__ import annotations

import base64
import json
from datetime import timedelta

import pytest
from tests.conftest import FixedClock, people_of

from tidemill.access import Actor
from tidemill.base.errors import Forbidden, InvalidInput, Unauthenticated
from tidemill.base.site import Site
from tidemill.serving.tokens import KEY_FILE, check_prediction_token, mint_prediction_token, write_public_keys


def mint(site: Site, service: str = "fuel", ttl: timedelta = timedelta(hours=1)) -> str:
    return mint_prediction_token(site, people_of(site).viewer, namespace="default", service=service, ttl=ttl)


def check(site: Site, token: str) -> str:
    return check_prediction_token(site, token, namespace="default", service="fuel")


def test_a_token_names_its_holder_and_expires(still_site: Site, clock: FixedClock) -> None:
    token = mint(still_site)
    assert check(still_site, token) == "vera"
    clock.advance(3601)
    with pytest.raises(Unauthenticated):
        check(still_site, token)


def test_a_token_of_another_service_or_key_is_refused(site: Site) -> None:
    with pytest.raises(Unauthenticated):
        check(site, mint(site, "bus"))
    token = mint(site)
    (site.home.keys / KEY_FILE).unlink()
    with pytest.raises(Unauthenticated):
        check(site, token)


@pytest.mark.parametrize("algorithm", ["none", "HS256", "ES384"])
def test_a_token_of_another_algorithm_is_refused(site: Site, algorithm: str) -> None:
    _, claims, signature = mint(site).split(".")
    header = base64.urlsafe_b64encode(json.dumps({"alg": algorithm}).encode()).rstrip(b"=").decode()
    with pytest.raises(Unauthenticated):
        check(site, f"{header}.{claims}.{signature}")


@pytest.mark.parametrize("token", ["", ".", "..", "a.b.c", "tm_secret", "é.é.é"])
def test_what_is_no_token_is_refused(site: Site, token: str) -> None:
    with pytest.raises(Unauthenticated):
        check(site, token)


@pytest.mark.parametrize("seconds", [0, -1, 86_401])
def test_a_lifetime_out_of_range_is_refused(site: Site, seconds: int) -> None:
    with pytest.raises(InvalidInput):
        mint(site, ttl=timedelta(seconds=seconds))


def test_nobody_without_a_role_gets_a_token(site: Site) -> None:
    nobody = Actor(person="nan", namespace_id="x", roles=frozenset())
    with pytest.raises(Forbidden):
        mint_prediction_token(site, nobody, namespace="default", service="fuel")


def test_the_key_is_ours_alone_and_the_gateway_gets_only_its_public_half(site: Site) -> None:
    write_public_keys(site, site.home.path / "jwks.json")
    assert (site.home.keys / KEY_FILE).stat().st_mode & 0o777 == 0o600
    (key,) = json.loads((site.home.path / "jwks.json").read_text())["keys"]
    assert set(key) == {"kty", "crv", "x", "y", "kid", "alg", "use"}
