"""The controller: one leader of a site that makes services follow their pointers and does the rounds."""

from __future__ import annotations

import logging
import os
import threading
from contextlib import suppress
from datetime import timedelta

from tidemill.base.ballast import Ballast
from tidemill.base.errors import StorageFull, Unavailable
from tidemill.base.leases import Lease, fenced, release_lease, take_lease
from tidemill.platform import Platform
from tidemill.serving.gateway import gateway_place
from tidemill.serving.serve import reconcile_until
from tidemill.supervisor.leading import leading_reconciler
from tidemill.supervisor.rounds import go_round, rounds_of

LEASE = timedelta(seconds=6)
RENEW_SECONDS = 2.0
AGAIN_SECONDS = 1.0
"""Until one that stands by asks for the lease again."""
log = logging.getLogger(__name__)


def run_controller(platform: Platform, stop: threading.Event) -> None:
    """Lead the site until told to stop; while another process leads, stand by."""
    site = platform.site
    holder = f"controller-{os.getpid()}-{site.ids.new()}"
    while not stop.is_set():
        lease = _taken(platform, holder)
        if lease is None:
            stop.wait(AGAIN_SECONDS)
            continue
        try:
            _lead(platform, lease, stop)
        finally:
            with suppress(StorageFull, Unavailable):  # then it runs out
                release_lease(site, lease)


def _taken(platform: Platform, holder: str) -> Lease | None:
    """The lease, taken or made longer; None while another holds it, or the database cannot say who does.

    Ballast that was given up is made whole first, as soon as there is room.
    """
    site = platform.site
    Ballast(home=site.home).keep(platform.settings.number("ballast_bytes"))
    try:
        return take_lease(site, name="controller", holder=holder, lasts=LEASE)
    except (StorageFull, Unavailable) as problem:
        log.warning("controller: %s", problem)
        return None


def _lead(platform: Platform, lease: Lease, stop: threading.Event) -> None:
    site = fenced(platform.site, lease)
    ended = threading.Event()
    threads = [
        threading.Thread(target=go_round, args=(each, site, ended), name=each.name) for each in rounds_of(platform)
    ]
    if gateway_place(site).clusters.exists():
        work = (site, leading_reconciler(site), ended)
        threads.append(threading.Thread(target=reconcile_until, args=work, name="services"))
    for thread in threads:
        thread.start()
    try:
        while not stop.wait(RENEW_SECONDS):
            renewed = _taken(platform, lease.holder)
            # a lease that ran out meanwhile comes back with another token: what goes on here is fenced with the old one
            if renewed is None or renewed.fencing_token != lease.fencing_token:
                log.warning("another controller may lead now, or may have led meanwhile")
                break
    finally:
        ended.set()
        for thread in threads:
            thread.join()
