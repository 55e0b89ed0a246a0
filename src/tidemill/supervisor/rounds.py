"""What a leading controller does again and again, each in a thread of its own, fenced with the leader's lease."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass

from tidemill.base.errors import TidemillError
from tidemill.base.leases import LeaseLost
from tidemill.base.outbox import Postman, Topic, forget_effects
from tidemill.base.site import Site
from tidemill.data import Dvc, SiteDvc, dvc_socket, handed_over, own_umask
from tidemill.figures import HealthWatch
from tidemill.gate import approved_pipeline, run_pending_checks
from tidemill.monitoring import advance_windows
from tidemill.notify import tell_people, topics
from tidemill.platform import Platform
from tidemill.supervisor.marker import public_url
from tidemill.tracking import mlflow_topic, notice_news
from tidemill.triggers import advance_firings, fire_due, poll_sources
from tidemill.tuning import advance_tunings

DVC_PATIENCE_SECONDS = 900.0
AGAIN_SECONDS = 1.0
"""After what a database or a disk refused."""
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """Work that is due every `seconds` (0: once, when a controller begins to lead).

    After work that returned nothing, or 0, it is due after `idle_seconds`, where they are given.
    `work` is done in whole transactions and may be cut off between any two of them; the next leader does it again.
    """

    name: str
    seconds: float
    work: Callable[[Site], object]
    idle_seconds: float = 0.0


TOPICS: tuple[Topic, ...] = ()
"""What the outbox delivers whatever the settings: each topic has a thread, so that one that hangs holds up no other."""

ROUNDS = (
    Round(name="tunings", seconds=0.2, work=advance_tunings, idle_seconds=1.0),
    Round(name="windows", seconds=1.0, work=advance_windows),
    # three of them, so that neither a remote that hangs nor a model that is checked holds up a schedule
    Round(name="triggers", seconds=1.0, work=lambda site: fire_due(site, approved_pipeline)),
    Round(name="trigger sources", seconds=1.0, work=lambda site: poll_sources(site, approved_pipeline)),
    Round(
        name="firings",
        seconds=0.5,
        work=lambda site: advance_firings(site, approved_pipeline, _dvc(site)),
        idle_seconds=1.0,
    ),
    # whoever opens a review runs its checks; what a crash cut off is taken up when the next one leads
    Round(name="checks", seconds=0, work=run_pending_checks),
    Round(name="ended effects", seconds=3600.0, work=forget_effects),
)


def rounds_of(platform: Platform) -> tuple[Round, ...]:
    """All rounds of a site, those that its settings decide, too."""
    options, settings = platform.notify_options, platform.settings
    always = settings.is_on("mlflow_mirror")
    news = Round(name="mlflow", seconds=1.0, work=lambda site: notice_news(site, always=always))
    mirrored = mlflow_topic(lambda home: settings.text("public_url") or public_url(home))
    return (
        *ROUNDS,
        *((news, outbox_round(mirrored)) if settings.is_on("mlflow") else ()),
        *(outbox_round(topic) for topic in TOPICS),
        Round(name="health", seconds=15.0, work=HealthWatch(platform.health_limits).look),
        Round(name="notify", seconds=2.0, work=lambda site: tell_people(site, options, public_url(site.home))),
        *(outbox_round(topic) for topic in topics(options)),
    )


def outbox_round(topic: Topic) -> Round:
    """The round that delivers a topic."""
    return Round(name=f"outbox {topic.name}", seconds=0.5, work=Postman(topic).deliver, idle_seconds=1.5)


def _dvc(site: Site) -> Dvc:
    """DVC as the site's data process keeps it warm, which starts with the first question."""
    path = dvc_socket(site.home)
    return SiteDvc(path, handed_over(os.environ), own_umask(), patience_seconds=DVC_PATIENCE_SECONDS)


def go_round(each: Round, site: Site, ended: threading.Event) -> None:
    """Do the work of a round until `ended`, or until another controller leads; what fails is logged and tried again."""
    pause = each.seconds
    while not ended.wait(pause):
        try:
            did = each.work(site)
            pause = each.seconds if did else max(each.seconds, each.idle_seconds)
        except LeaseLost as problem:
            log.warning("%s: %s", each.name, problem)
            return
        except (TidemillError, OSError) as problem:
            log.warning("%s: %s", each.name, problem)
            ended.wait(AGAIN_SECONDS)
            continue
        except Exception:
            log.exception("%s", each.name)
            ended.wait(5.0)
            continue
        if not each.seconds:
            return
