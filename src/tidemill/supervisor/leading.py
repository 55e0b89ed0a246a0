"""What a controller works with while it leads: once another one took its lease, all that it does is refused."""

from __future__ import annotations

from tidemill.base.home import make_sockets_folder
from tidemill.base.site import Site
from tidemill.monitoring import recorder_socket
from tidemill.serving.gateway import Gateway, gateway_place
from tidemill.serving.host import Launch, PredictorHost, PredictorStatus
from tidemill.serving.predictors import ProvenPredictors
from tidemill.serving.reconcile import Reconciler
from tidemill.serving.source import RegistrySource
from tidemill.supervisor.predictors import RemotePredictors


def leading_reconciler(site: Site) -> Reconciler:
    """The reconciler of a leader; `site` is fenced with its lease.

    Its rows are refused in their own transactions; a file of the gateway is moved to its place inside one, so that
    nobody takes the lease meanwhile. A predictor is started and stopped after a look at the lease: between the two is a
    moment in which a leader may lose it, and what it does then the next one sets right in its first round.
    """
    source, host = RegistrySource(site), LeasedPredictors(site, RemotePredictors(site.home))
    return Reconciler(
        site,
        source,
        ProvenPredictors(site, source, host, log_socket=recorder_socket(site)),
        Gateway(gateway_place(site), make_sockets_folder(site.home) / "server.sock", guard=site.database.write),
    )


class LeasedPredictors:
    """A `PredictorHost` that starts and stops nothing for a leader that lost its lease (`LeaseLost`)."""

    def __init__(self, site: Site, host: PredictorHost) -> None:
        self._site = site
        self._host = host

    def start(self, launch: Launch) -> None:
        self._demand()
        self._host.start(launch)

    def status(self, revision_id: str) -> PredictorStatus:
        return self._host.status(revision_id)

    def stop(self, revision_id: str) -> None:
        self._demand()
        self._host.stop(revision_id)

    def revisions(self) -> list[str]:
        return self._host.revisions()

    def close(self) -> None:
        self._host.close()

    def _demand(self) -> None:
        with self._site.database.write():
            return
