"""Models and versions: counted, found, compared, retired; the pointer moves only from where it was seen."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.conftest import People
from tests.unit.gate.candidates import add_version, make_tables, person

from tidemill.access import Role
from tidemill.base.errors import Conflict, Forbidden, InvalidInput, NotFound
from tidemill.base.paging import key_of, page_token
from tidemill.base.site import Site
from tidemill.registry import (
    ModelVersion,
    MoveKind,
    VersionState,
    diff_versions,
    get_version,
    list_models,
    list_versions,
    live_pointer,
    live_pointers,
    trace_version,
)
from tidemill.registry.diff import difference
from tidemill.registry.model import check_version_transition
from tidemill.registry.pointer import Move, move_pointer
from tidemill.registry.retire import retire_version


@pytest.fixture(autouse=True)
def tables(site: Site) -> None:
    """The tables of the registry."""
    make_tables(site)


def move(site: Site, version: ModelVersion, kind: MoveKind = MoveKind.PROMOTED, service: str = "fuel") -> None:
    """Move the pointer of a service as the gate does."""
    wanted = Move(
        environment="production",
        service=service,
        model_version_id=version.id,
        review_id="r",
        kind=kind,
        moved_by="gate",
    )
    with site.database.write() as connection:
        move_pointer(connection, site, version.namespace_id, wanted)


def test_versions_are_counted_per_model_and_found_by_name_number_or_id(site: Site, people: People) -> None:
    first, second = add_version(site, people.author), add_version(site, people.author)
    other = add_version(site, people.author, model="price")
    assert [version.label for version in (first, second, other)] == ["fuel@1", "fuel@2", "price@1"]
    for reference in ("fuel@2", "fuel", second.id):
        assert get_version(site, people.viewer, reference) == second
    assert [model.name for model in list_models(site, people.viewer)] == ["fuel", "price"]
    assert [model.name for model in list_models(site, people.viewer, after="fuel")] == ["price"]
    assert [version.number for version in list_versions(site, people.viewer, "fuel")] == [2, 1]
    assert [version.number for version in list_versions(site, people.viewer, "fuel", before=2)] == [1]


@pytest.mark.parametrize("reference", ["fuel@0", "fuel@x", "@1", "", "fuel@1@2", "fuel@9999999999"])
def test_what_names_no_version_is_said_so(site: Site, people: People, reference: str) -> None:
    add_version(site, people.author)
    with pytest.raises((InvalidInput, NotFound)):
        get_version(site, people.viewer, reference)


def test_another_namespace_sees_nothing(site: Site, people: People) -> None:
    version = add_version(site, people.author)
    stranger = replace(person(people.owner, "eve", *Role), namespace_id=site.ids.new())
    for reference in ("fuel", "fuel@1", version.id):
        with pytest.raises(NotFound):
            get_version(site, stranger, reference)
    with pytest.raises(NotFound):
        list_versions(site, stranger, "fuel")
    assert list_models(site, stranger) == []


def test_a_difference_tells_what_changed_and_only_that(site: Site, people: People) -> None:
    old = add_version(site, people.author)
    new = replace(
        add_version(site, people.author),
        metrics={"mae": 2.0, "r2": 0.75},
        parameters={"alpha": 0.1, "degree": 2},
        lock_digest="sha256:other",
        code_commit=None,
    )
    found = difference(old, new)
    assert found.metrics == {"mae": (2.5, 2.0)}
    assert found.parameters == {"degree": (None, 2)}
    assert found.lock_digest == (old.lock_digest, "sha256:other")
    assert found.code_commit == ("c0ffee", None)
    assert (found.spec_digest, found.data_versions) == (None, {})
    assert diff_versions(site, people.viewer, "fuel@1", "fuel@1").metrics == {}


def test_a_pointer_remembers_what_was_live_before_each_promotion(site: Site, people: People) -> None:
    one, two, three = (add_version(site, people.author) for _ in range(3))
    assert live_pointer(site, people.viewer, environment="production", service="fuel") is None
    for version in (one, two, three):
        move(site, version)
    expected: list[tuple[ModelVersion, str | None]] = [(two, one.id), (one, None)]
    for version, previous in expected:
        move(site, version, MoveKind.ROLLED_BACK)
        pointer = live_pointer(site, people.viewer, environment="production", service="fuel")
        assert pointer is not None
        assert (pointer.model_version_id, pointer.previous_version_id) == (version.id, previous)
    with pytest.raises(Conflict, match="already"):
        move(site, one)
    move(site, one, service="other")
    assert [(one.service, one.generation) for one in live_pointers(site, people.owner.namespace_id)] == [
        ("fuel", 5),
        ("other", 1),
    ]


def test_a_live_version_is_not_retired_and_a_retired_one_stays_so(site: Site, people: People) -> None:
    one, two = add_version(site, people.author), add_version(site, people.author)
    move(site, one)
    with pytest.raises(Conflict, match="live as fuel"):
        retire_version(site, people.owner, one.id)
    with pytest.raises(Forbidden):
        retire_version(site, people.viewer, two.id)
    assert retire_version(site, people.owner, two.id).state is VersionState.RETIRED
    with pytest.raises(Conflict, match="cannot become"):
        retire_version(site, people.owner, two.id)


def test_no_state_of_a_version_leads_back(site: Site) -> None:
    check_version_transition(VersionState.READY, VersionState.RETIRED)
    for old, new in ((VersionState.RETIRED, VersionState.READY), (VersionState.READY, VersionState.READY)):
        with pytest.raises(Conflict):
            check_version_transition(old, new)


def test_a_trace_names_run_data_commit_lock_and_author(site: Site, people: People) -> None:
    version = add_version(site, people.author)
    found = trace_version(site, people.viewer, "fuel")
    assert found["run"]["id"] == version.run_id
    assert found["model_version"]["author"] == "alan"
    assert (found["code_commit"], found["lock_digest"]) == ("c0ffee", version.lock_digest)
    assert found["data_versions"] == {"cars.csv": "md5:1"}


@pytest.mark.parametrize("key", ["fuel", "ü/ß", "1", "a" * 300])
def test_a_page_token_carries_its_key(key: str) -> None:
    assert key_of(page_token(key)) == key


@pytest.mark.parametrize("token", ["!!", "abc", "Mjpm", "é", "AAAA"])
def test_a_token_that_was_not_made_here_is_refused(token: Any) -> None:
    with pytest.raises(InvalidInput):
        key_of(token)
    assert key_of(None) is None
