"""Signatures of decisions and of records: DSSE envelopes over in-toto statements, ECDSA P-256 with the key of the home.

DSSE: https://github.com/secure-systems-lab/dsse/blob/master/protocol.md; in-toto statement v1:
https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tidemill.base.canonical import canonical_json
from tidemill.base.errors import Forbidden
from tidemill.base.home import Home

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
SEAL_TYPE = "application/vnd.tidemill.seal+json"
KEY_FILE = "gate-signing.pem"
PUBLIC_KEY_FILE = "gate-signing.pub.pem"


@dataclass(frozen=True, slots=True)
class PublicKey:
    """What checks signatures; `pem` is what is published, `key_id` its SHA-256."""

    key: EllipticCurvePublicKey
    pem: bytes
    key_id: str


@dataclass(frozen=True, slots=True)
class SigningKey:
    """What signs decisions; never leaves the home."""

    key: EllipticCurvePrivateKey
    public: PublicKey


def signing_key(home: Home) -> SigningKey:
    """The key of a home, made at its first use: `keys/gate-signing.pem` (0600), with the public half beside it."""
    # lazy: cryptography costs 40 ms, and only decisions need it
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    path = home.keys / KEY_FILE
    if not path.exists():
        made = ec.generate_private_key(ec.SECP256R1())
        pem = made.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        _keep_first(path, pem, 0o600)
    found = serialization.load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(found, ec.EllipticCurvePrivateKey):
        raise Forbidden("is not a P-256 key", place=str(path), remedy="restore it from a backup")
    public = _public(found.public_key())
    published = home.keys / PUBLIC_KEY_FILE
    if not published.exists():
        _keep_first(published, public.pem, 0o644)
    return SigningKey(found, public)


def is_key_made(home: Home) -> bool:
    """False while nothing was ever signed in this home."""
    return (home.keys / KEY_FILE).exists()


def public_key(home: Home) -> PublicKey:
    """What checks the signatures of this home; `Forbidden` while nothing was ever signed here.

    It is derived from the signing key: a public key file that somebody put there proves nothing.
    """
    if not is_key_made(home):
        raise Forbidden("no decision was ever signed in this home", place=str(home.keys / KEY_FILE))
    return signing_key(home).public


def read_public_key(pem: bytes) -> PublicKey:
    """A published key, for checking evidence elsewhere; `Forbidden` when it is no P-256 key."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    try:
        found = serialization.load_pem_public_key(pem)
    except ValueError as problem:
        raise Forbidden("is not a public key in PEM") from problem
    if not isinstance(found, ec.EllipticCurvePublicKey):
        raise Forbidden("is not a P-256 key")
    return _public(found)


def statement(*, subject: str, digest: str, kind: str, predicate: dict[str, Any]) -> dict[str, Any]:
    """An in-toto statement about one thing with a `sha256:` digest; `kind` reads like `approval`."""
    return {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": subject, "digest": {"sha256": digest.removeprefix("sha256:")}}],
        "predicateType": f"urn:tidemill:{kind}:v1",
        "predicate": predicate,
    }


def sign(key: SigningKey, content: dict[str, Any]) -> dict[str, Any]:
    """The DSSE envelope of a JSON document, whose payload is its canonical JSON."""
    return sign_bytes(key, canonical_json(content), PAYLOAD_TYPE)


def sign_bytes(key: SigningKey, payload: bytes, payload_type: str) -> dict[str, Any]:
    """The DSSE envelope of bytes."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    signature = key.key.sign(pre_authentication_encoding(payload_type, payload), ec.ECDSA(hashes.SHA256()))
    return {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": payload_type,
        "signatures": [{"keyid": key.public.key_id, "sig": base64.b64encode(signature).decode()}],
    }


def verified_payload(key: PublicKey, envelope: Any, *, place: str) -> bytes:
    """The payload of an envelope that this key signed; `Forbidden` at `place` for anything else."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    try:
        payload = base64.b64decode(envelope["payload"], validate=True)
        encoded = pre_authentication_encoding(envelope["payloadType"], payload)
        signatures = [base64.b64decode(entry["sig"], validate=True) for entry in envelope["signatures"]]
    except (KeyError, TypeError, AttributeError, binascii.Error) as problem:
        raise Forbidden("is not a signed envelope", place=place) from problem
    for signature in signatures:
        try:
            key.key.verify(signature, encoded, ec.ECDSA(hashes.SHA256()))
        except InvalidSignature:
            continue
        return payload
    raise Forbidden("the signature is not one of this site's key", place=place)


def verified_statement(key: PublicKey, envelope: Any, *, place: str) -> dict[str, Any]:
    """The statement in an envelope that this key signed; `Forbidden` at `place` for anything else."""
    payload = verified_payload(key, envelope, place=place)
    found = json.loads(payload)
    if envelope["payloadType"] != PAYLOAD_TYPE or not isinstance(found, dict):
        raise Forbidden("the envelope holds no statement", place=place)
    return found


def seal(key: SigningKey, content: bytes) -> str:
    """A signature beside a record, over content that is made from the record again when it is checked."""
    envelope = sign_bytes(key, content, SEAL_TYPE)
    return str(envelope["signatures"][0]["sig"])


def is_sealed(key: PublicKey, content: bytes, found: str | None) -> bool:
    """Whether this key sealed just this content."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    try:
        signature = base64.b64decode(found or "", validate=True)
        key.key.verify(signature, pre_authentication_encoding(SEAL_TYPE, content), ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True


def pre_authentication_encoding(payload_type: str, payload: bytes) -> bytes:
    """The bytes that DSSE signs."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def _public(key: EllipticCurvePublicKey) -> PublicKey:
    from cryptography.hazmat.primitives import serialization

    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    pem = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return PublicKey(key, pem, hashlib.sha256(der).hexdigest())


def _keep_first(path: Path, data: bytes, mode: int) -> None:
    """Write a file unless another process was first; it appears whole or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(temporary, path)
        except FileExistsError:
            return
    finally:
        temporary.unlink()
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
