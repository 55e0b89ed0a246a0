"""The controller: one leader of a site that makes services follow their pointers and tunings go on."""

from __future__ import annotations

import logging
import os
import threading
from datetime import timedelta

from tidemill.base.errors import TidemillError
from tidemill.base.leases import Lease, LeaseLost, fenced, release_lease, take_lease
from tidemill.base.site import Site
from tidemill.gate import run_pending_checks
from tidemill.platform import Platform
from tidemill.serving.gateway import gateway_place
from tidemill.serving.serve import reconcile_until
from tidemill.supervisor.leading import leading_reconciler
from tidemill.tuning import advance_tunings

LEASE = timedelta(seconds=6)
RENEW_SECONDS = 2.0
ADVANCE_SECONDS = 0.2
log = logging.getLogger(__name__)


def run_controller(platform: Platform, stop: threading.Event) -> None:
    """Lead the site until told to stop; while another process leads, stand by."""
    site = platform.site
    holder = f"controller-{os.getpid()}-{site.ids.new()}"
    while not stop.is_set():
        lease = take_lease(site, name="controller", holder=holder, lasts=LEASE)
        if lease is None:
            stop.wait(1.0)
            continue
        _lead(platform, lease, stop)
        release_lease(site, lease)


def _lead(platform: Platform, lease: Lease, stop: threading.Event) -> None:
    site = fenced(platform.site, lease)
    ended = threading.Event()
    threads = [threading.Thread(target=_advance, args=(site, ended), name="tunings")]
    if gateway_place(site).clusters.exists():
        work = (site, leading_reconciler(site), ended)
        threads.append(threading.Thread(target=reconcile_until, args=work, name="services"))
    for thread in threads:
        thread.start()
    while not stop.wait(RENEW_SECONDS):
        renewed = take_lease(platform.site, name="controller", holder=lease.holder, lasts=LEASE)
        # a lease that ran out meanwhile comes back with another token: what goes on here is fenced with the old one
        if renewed is None or renewed.fencing_token != lease.fencing_token:
            log.warning("another controller leads now, or might have led meanwhile")
            break
    ended.set()
    for thread in threads:
        thread.join()


def _advance(site: Site, ended: threading.Event) -> None:
    has_checked = False
    while not ended.wait(ADVANCE_SECONDS):
        try:
            advance_tunings(site)
            # whoever opens a review runs its checks; what a crash cut off is taken up once, when the next one leads
            if not has_checked:
                run_pending_checks(site)
                has_checked = True
        except LeaseLost as problem:
            log.warning("controller: %s", problem)
            return
        except TidemillError as problem:
            log.warning("controller: %s", problem)
