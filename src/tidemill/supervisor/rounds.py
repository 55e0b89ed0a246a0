"""What a leading controller does again and again, each in a thread of its own, fenced with the leader's lease."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

from tidemill.base.errors import TidemillError
from tidemill.base.leases import LeaseLost
from tidemill.base.site import Site
from tidemill.gate import run_pending_checks
from tidemill.monitoring import advance_windows
from tidemill.tuning import advance_tunings

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """Work that is due every `seconds` (0: once, when a controller begins to lead).

    `work` is done in whole transactions and may be cut off between any two of them; the next leader does it again.
    """

    name: str
    seconds: float
    work: Callable[[Site], object]


ROUNDS = (
    Round(name="tunings", seconds=0.2, work=advance_tunings),
    Round(name="windows", seconds=1.0, work=advance_windows),
    # whoever opens a review runs its checks; what a crash cut off is taken up when the next one leads
    Round(name="checks", seconds=0, work=run_pending_checks),
)


def go_round(each: Round, site: Site, ended: threading.Event) -> None:
    """Do the work of a round until `ended`, or until another controller leads; what fails is logged and tried again."""
    while not ended.wait(each.seconds):
        try:
            each.work(site)
        except LeaseLost as problem:
            log.warning("%s: %s", each.name, problem)
            return
        except (TidemillError, OSError) as problem:
            log.warning("%s: %s", each.name, problem)
            ended.wait(1.0)
            continue
        except Exception:
            log.exception("%s", each.name)
            ended.wait(5.0)
            continue
        if not each.seconds:
            return
