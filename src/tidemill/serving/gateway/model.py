"""The nouns of the gateway."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Access(StrEnum):
    """Who may call a service."""

    OPEN = "open"  # everybody who reaches the port
    TOKEN = "token"  # who has a prediction token of this service


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A revision that gets a share of a service's requests; `cluster` names it in Envoy, `socket` is where it listens.

    `weight` is a share in percent; the weights of a service add up to 100.
    """

    cluster: str
    socket: Path
    weight: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceRoute:
    """`/serving/{namespace}/{service}/...` and the revisions behind it.

    With several targets a caller stays with the one that it fell to: the same value of `sticky_header`, or without one
    the same person of a token, is the same place between 0 and 100. The first targets hold the lowest places, so that
    who is inside stays inside while the first one's share grows.
    """

    namespace: str
    service: str
    access: Access
    targets: tuple[Target, ...]
    timeout_seconds: float = 30.0
    sticky_header: str = ""

    @property
    def audience(self) -> str:
        """What a prediction token for this service carries in `aud`."""
        return f"{self.namespace}/{self.service}"


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayPlace:
    """Where the gateway's files and its admin socket are."""

    folder: Path
    admin: Path

    @property
    def bootstrap(self) -> Path:
        """What Envoy starts with; never changed while it runs."""
        return self.folder / "bootstrap.json"

    @property
    def clusters(self) -> Path:
        """The clusters, watched by Envoy (CDS)."""
        return self.folder / "clusters.json"

    @property
    def routes(self) -> Path:
        """The routes, watched by Envoy (RDS)."""
        return self.folder / "routes.json"

    @property
    def listeners(self) -> Path:
        """The public port and its filters, watched by Envoy (LDS)."""
        return self.folder / "listeners.json"

    @property
    def keys(self) -> Path:
        """The public keys that prediction tokens are checked with (JWKS)."""
        return self.folder / "jwks.json"
