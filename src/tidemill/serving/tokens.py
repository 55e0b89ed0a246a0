"""Prediction tokens: short-lived ES256 JWTs (RFC 7519) that the gateway checks without asking anybody."""

from __future__ import annotations

import base64
import json
import os
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tidemill.access import Actor
from tidemill.access.model import Permission
from tidemill.base.canonical import digest_json
from tidemill.base.errors import InvalidInput, Unauthenticated
from tidemill.base.site import Site

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey

ISSUER = "tidemill"
KEY_FILE = "prediction-key.pem"
LONGEST = timedelta(hours=24)
DEFAULT = timedelta(hours=1)


def mint_prediction_token(site: Site, actor: Actor, *, namespace: str, service: str, ttl: timedelta = DEFAULT) -> str:
    """A token with which its holder may call one service and nothing else, until `ttl` has passed (24 h at most).

    Raises `Forbidden` unless the actor reads the namespace, `InvalidInput` for a lifetime out of range.
    """
    actor.demand(Permission.READ)
    if not timedelta(0) < ttl <= LONGEST:
        raise InvalidInput(
            f"a prediction token cannot live for {ttl}", place="ttl", remedy=f"choose at most {LONGEST} (24 hours)"
        )
    now = int(site.clock.now().timestamp())
    claims = {
        "iss": ISSUER,
        "sub": actor.person,
        "aud": f"{namespace}/{service}",
        "iat": now,
        "nbf": now,
        "exp": now + int(ttl.total_seconds()),
        "jti": site.ids.new(),
    }
    key = _private_key(site)
    header = {"alg": "ES256", "typ": "JWT", "kid": _key_id(key.public_key())}
    signed = f"{_encode(json.dumps(header).encode())}.{_encode(json.dumps(claims).encode())}"
    return f"{signed}.{_encode(_sign(key, signed.encode()))}"


def check_prediction_token(site: Site, token: str, *, namespace: str, service: str) -> str:
    """The person a token was made for; `Unauthenticated` unless it is ours, for this service and still valid."""
    from cryptography.exceptions import InvalidSignature  # 30 ms: only who checks tokens pays
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, utils

    try:
        signed, _, signature_text = token.rpartition(".")
        header_text, claims_text = signed.split(".")
        header, claims = json.loads(_decode(header_text)), json.loads(_decode(claims_text))
        signature = _decode(signature_text)
        if header["alg"] != "ES256" or len(signature) != 64:
            raise Unauthenticated("this is no prediction token of this site")
        r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
        der = utils.encode_dss_signature(r, s)
        _private_key(site).public_key().verify(der, signed.encode(), ec.ECDSA(hashes.SHA256()))
        person, audience, expires = str(claims["sub"]), claims["aud"], int(claims["exp"])
    except (InvalidSignature, ValueError, KeyError, TypeError) as problem:
        raise Unauthenticated("this is no prediction token of this site", remedy="ask for a new one") from problem
    if audience != f"{namespace}/{service}" or expires <= site.clock.now().timestamp():
        raise Unauthenticated("this token is for another service, or has expired", remedy="ask for a new one")
    return person


def write_public_keys(site: Site, path: Path) -> None:
    """Write the JWKS (RFC 7517) that the gateway checks tokens with."""
    public = _private_key(site).public_key()
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_text(json.dumps({"keys": [{**_jwk(public), "kid": _key_id(public), "alg": "ES256", "use": "sig"}]}))
    temporary.replace(path)


def _private_key(site: Site) -> EllipticCurvePrivateKey:
    """The site's key, made at the first use (0600)."""
    from cryptography.hazmat.primitives import serialization  # 30 ms: only who makes tokens pays
    from cryptography.hazmat.primitives.asymmetric import ec

    path = site.home.keys / KEY_FILE
    if not path.exists():
        made = ec.generate_private_key(ec.SECP256R1())
        text = made.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        _keep_first(path, text)
    key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise InvalidInput("is no key for ES256", place=str(path), remedy="remove it; a new one is made")
    return key


def _keep_first(path: Path, text: bytes) -> None:
    """Write the key unless another process was first."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(temporary, path)
    except FileExistsError:
        pass  # the other one's key is as good
    finally:
        temporary.unlink()


def _sign(key: EllipticCurvePrivateKey, data: bytes) -> bytes:
    """The signature as JWS wants it: r and s, 32 bytes each (RFC 7518, 3.4)."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, utils

    r, s = utils.decode_dss_signature(key.sign(data, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def _jwk(public: EllipticCurvePublicKey) -> dict[str, Any]:
    numbers = public.public_numbers()
    return {
        "kty": "EC",
        "crv": "P-256",
        "x": _encode(numbers.x.to_bytes(32, "big")),
        "y": _encode(numbers.y.to_bytes(32, "big")),
    }


def _key_id(public: EllipticCurvePublicKey) -> str:
    """The thumbprint of the key (in the spirit of RFC 7638)."""
    return digest_json(_jwk(public)).removeprefix("sha256:")[:16]


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
