"""The verb run_checks: every pending check of a review runs, and its evidence is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial

from tidemill.access import Actor, Role
from tidemill.base.canonical import canonical_json
from tidemill.base.errors import StorageFull, TidemillError, Unavailable
from tidemill.base.events import append_event
from tidemill.base.signing import signing_key
from tidemill.base.site import Site
from tidemill.gate import rows, store
from tidemill.gate.automatic import settle_automatically
from tidemill.gate.check_pipeline import check_pipeline
from tidemill.gate.check_seal import seal_check
from tidemill.gate.checks import Champion, Check, CheckContext, find_checks
from tidemill.gate.decide import decide_if_passed
from tidemill.gate.find import review_in
from tidemill.gate.model import CheckResult, CheckState, Review, ReviewCheck, ReviewState
from tidemill.gate.verify import verify_live
from tidemill.gate.waiting import say_that_it_waits
from tidemill.registry import RunOutputs, version_in


def run_checks(site: Site, namespace_id: str, review_id: str, *, checks: Mapping[str, Check] | None = None) -> None:
    """Run what is still pending; a finished check never runs again.

    A check that the site could not run (no disk, no package index) stays pending with the reason as its summary.
    Afterwards a review whose policy asks for no approval passes by itself, and so does one whose policy lets the site
    decide, where it may. One that waits for people is told of.
    """
    with site.database.read() as connection:
        review = review_in(connection, namespace_id, review_id)
    if review.state is not ReviewState.OPEN:
        return
    for name, work in _due(site, review, checks):
        _keep(site, review, name, _result(work))
    settle_automatically(site, namespace_id, review_id)
    if review.policy.approvals == 0:
        opener = Actor(person=review.opened_by, namespace_id=namespace_id, roles=frozenset({Role.VIEWER}))
        key = signing_key(site.home)
        with site.database.write() as connection:
            decide_if_passed(connection, site, key, opener, review_id)
    say_that_it_waits(site, namespace_id, review_id)


def _due(
    site: Site, review: Review, checks: Mapping[str, Check] | None
) -> Iterator[tuple[str, Callable[[], CheckResult]]]:
    """The pending checks by name, each with what it does."""
    pending = [check.name for check in review.checks if check.state is CheckState.PENDING]
    if review.model_version_id is None:
        wanted = review.pipeline
        assert wanted is not None  # a review is about one of both
        for name in pending:
            yield name, partial(check_pipeline, site, review.namespace_id, wanted, review.environment)
        return
    usable = find_checks(review.policy) if checks is None else checks
    version = version_in(site, review.namespace_id, review.model_version_id)
    context = CheckContext(
        site=site,
        version=version,
        policy=review.policy,
        environment=review.environment,
        service=review.service,
        outputs=RunOutputs(site, review.namespace_id, version.run_id),
        champion=partial(_champion, site, review),
    )
    for name in pending:
        yield name, partial(usable[name].run, context)


def _champion(site: Site, review: Review) -> Champion | None:
    """What is live where a review would put its version, with the hygiene of the review that let it pass."""
    live = verify_live(site, review.namespace_id, environment=review.environment, service=review.service)
    if live is None:
        return None
    version = version_in(site, review.namespace_id, live.model_version_id)
    with site.database.read() as connection:
        passed = rows.review_by_id(connection, review.namespace_id, live.review_id)
    return Champion(
        version=version,
        hygiene=None if passed is None else passed.policy.hygiene,
        outputs=RunOutputs(site, review.namespace_id, version.run_id),
    )


def run_pending_checks(site: Site) -> int:
    """Run the checks that a crash or a fault of the site left pending; how many reviews were looked at."""
    with site.database.read() as connection:
        waiting = rows.reviews_to_check(connection)
    for namespace_id, review_id in waiting:
        run_checks(site, namespace_id, review_id)
    return len(waiting)


def _result(work: Callable[[], CheckResult]) -> CheckResult:
    try:
        result = work()
        canonical_json(result.evidence)
    except (StorageFull, Unavailable) as problem:
        return CheckResult(state=CheckState.PENDING, summary=f"will be tried again: {problem.message}", evidence={})
    except TidemillError as problem:
        return CheckResult(state=CheckState.FAILED, summary=_sentence(problem), evidence={"error": problem.to_json()})
    except (OSError, ValueError, TypeError, KeyError, ArithmeticError) as problem:
        # a plug-in may fail in its own way: what could not be found out is no pass
        summary = f"the check itself failed: {type(problem).__name__}: {problem}"
        return CheckResult(state=CheckState.FAILED, summary=summary[:500], evidence={})
    return result


def _sentence(problem: TidemillError) -> str:
    return f"{problem.place}: {problem.message}" if problem.place else problem.message


def _keep(site: Site, review: Review, name: str, result: CheckResult) -> None:
    found = ReviewCheck(
        name=name,
        state=result.state,
        summary=result.summary,
        evidence=result.evidence,
        finished_at=site.clock.now(),
        seal=None if result.state is CheckState.PENDING else seal_check(signing_key(site.home), review, name, result),
    )
    with site.database.write() as connection:
        kept = store.finish_check(connection, review, found)
        if kept and result.state is not CheckState.PENDING:
            append_event(
                connection,
                site.clock,
                namespace_id=review.namespace_id,
                kind=f"review.check_{result.state.value}",
                subject_id=review.id,
                data={"check": name, "summary": result.summary},
                created_by=review.opened_by,
            )
