"""What a service shall be: applying, changing, deleting, and who may."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.conftest import People

from tidemill.access import Actor, Role, ensure_namespace
from tidemill.base.errors import Conflict, Forbidden, InvalidInput, NotFound
from tidemill.base.events import events_of
from tidemill.base.site import Site
from tidemill.serving import (
    Access,
    Form,
    FormField,
    Reason,
    RevisionState,
    ServiceSpec,
    apply_service,
    delete_service,
    get_service,
    list_services,
    store,
)
from tidemill.serving.model import REVISION_TRANSITIONS, check_revision_transition

SPEC = ServiceSpec(
    name="fuel",
    model="fuel",
    form=Form(
        fields=(FormField(column="wght", label="Weight", unit="kg", model_unit="lb"),),
        output_unit="l/100km",
        model_output_unit="mpg",
    ),
)


def test_a_service_is_kept_as_it_was_applied(site: Site, people: People) -> None:
    made = apply_service(site, people.author, SPEC)
    assert get_service(site, people.viewer, "fuel") == made
    assert (made.spec, made.generation, made.path) == (SPEC, 1, "/serving/default/fuel")
    assert (made.ready, made.reason) == (False, Reason.AWAITING_APPROVAL)


def test_applying_the_same_again_changes_nothing_and_another_raises_the_generation(site: Site, people: People) -> None:
    made = apply_service(site, people.author, SPEC)
    assert apply_service(site, people.author, SPEC) == made
    changed = apply_service(site, people.author, replace(SPEC, access=Access.OPEN))
    assert (changed.id, changed.generation) == (made.id, 2)
    with site.database.read() as connection:
        kinds = [each.kind for each in events_of(connection, namespace_id=made.namespace_id, subject_id=made.id)]
    assert kinds == ["service.applied", "service.applied"]


def test_a_change_based_on_an_older_generation_is_refused(site: Site, people: People) -> None:
    apply_service(site, people.author, SPEC)
    apply_service(site, people.author, replace(SPEC, timeout_seconds=5), generation=1)
    with pytest.raises(Conflict):
        apply_service(site, people.author, replace(SPEC, timeout_seconds=6), generation=1)


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"name": "Fuel"}, "name"),
        ({"name": "a/b"}, "name"),
        ({"name": ""}, "name"),
        ({"name": "x" * 64}, "name"),
        ({"environment": "Prod!"}, "environment"),
        ({"timeout_seconds": 0}, "timeout_seconds"),
        ({"timeout_seconds": 1e9}, "timeout_seconds"),
        ({"model_version": "fuel@3"}, "model_version"),
        ({"model": "x" * 1001}, "model"),
        ({"form": Form(title="\ud800")}, "form.title"),
        ({"form": Form(fields=(FormField(column="a", label="\x1b[31m"),))}, "form.fields.0.label"),
        ({"form": Form(fields=(FormField(column="wght", unit="kgs", model_unit="lb"),))}, "form.wght"),
        ({"form": Form(output_unit="l", model_output_unit="mpg")}, "form.output"),
    ],
)
def test_a_spec_that_cannot_be_is_refused_with_its_field(
    site: Site, people: People, change: dict[str, object], place: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        apply_service(site, people.author, replace(SPEC, **change))  # type: ignore[arg-type] # a field at a time
    assert caught.value.place == place


def test_a_service_cannot_leave_the_environment_that_let_its_version_in(site: Site, people: People) -> None:
    apply_service(site, people.author, replace(SPEC, environment="development"))
    with pytest.raises(Conflict, match="belongs to development"):
        apply_service(site, people.author, SPEC)


def test_who_only_reads_applies_and_deletes_nothing(site: Site, people: People) -> None:
    apply_service(site, people.author, SPEC)
    for actor in (people.viewer, people.approver):
        with pytest.raises(Forbidden):
            apply_service(site, actor, SPEC)
        with pytest.raises(Forbidden):
            delete_service(site, actor, "fuel")


def test_a_service_of_another_namespace_is_not_found(site: Site, people: People) -> None:
    apply_service(site, people.author, SPEC)
    other = ensure_namespace(site, "other", created_by="test")
    stranger = Actor(person="sam", namespace_id=other.id, roles=frozenset({Role.OWNER}))
    assert list_services(site, stranger) == []
    with pytest.raises(NotFound):
        get_service(site, stranger, "fuel")
    with pytest.raises(NotFound):
        delete_service(site, stranger, "fuel", force=True)
    assert apply_service(site, stranger, SPEC).path == "/serving/other/fuel"


def test_a_service_that_never_served_is_gone_at_once_when_it_is_deleted(site: Site, people: People) -> None:
    apply_service(site, people.author, SPEC)
    assert delete_service(site, people.author, "fuel") is None
    with pytest.raises(NotFound):
        get_service(site, people.author, "fuel")


def test_an_approved_service_stays_until_forced_and_applying_takes_the_deletion_back(
    site: Site, people: People
) -> None:
    made = apply_service(site, people.author, SPEC)
    with site.database.write() as connection:
        store.observe(connection, made, ready=True, reason=Reason.SERVING, message="")
    kept = delete_service(site, people.author, "fuel")
    assert kept is not None
    assert get_service(site, people.author, "fuel").deleting
    assert not apply_service(site, people.author, SPEC).deleting
    assert delete_service(site, people.author, "fuel", force=True) is None


def test_services_are_listed_by_name_in_pages(site: Site, people: People) -> None:
    for name in ("c", "a", "b"):
        apply_service(site, people.author, replace(SPEC, name=name))
    assert [each.name for each in list_services(site, people.viewer, limit=2)] == ["a", "b"]
    assert [each.name for each in list_services(site, people.viewer, after="b")] == ["c"]


@pytest.mark.parametrize("old", RevisionState)
@pytest.mark.parametrize("new", RevisionState)
def test_a_revision_changes_only_as_the_table_says(old: RevisionState, new: RevisionState) -> None:
    if new in REVISION_TRANSITIONS[old]:
        check_revision_transition(old, new)
    else:
        with pytest.raises(Conflict):
            check_revision_transition(old, new)
