from __future__ import annotations

from dataclasses import replace

import pytest

from tidemill.access import Actor
from tidemill.base.errors import Forbidden, InvalidInput, NotFound
from tidemill.base.site import Site
from tidemill.data import DatasetVersion, dataset_version, list_versions, store


def _seen(site: Site, owner: Actor, path: str, content: str) -> DatasetVersion:
    version = DatasetVersion(
        id=site.ids.new(),
        namespace_id=owner.namespace_id,
        repository="git:1",
        path=path,
        dvc_file=f"{path}.dvc",
        hash=f"md5:{content}",
        size_bytes=5_000_000_000,
        file_count=1,
        row_count=None,
        git_commit=None,
        generation=1,
        created_by=owner.person,
        created_at=site.clock.now(),
    )
    with site.database.write() as connection:
        store.insert_version(connection, version)
    return version


def test_versions_are_listed_newest_first_in_pages(site: Site, owner: Actor) -> None:
    made = [_seen(site, owner, "cars.csv", str(number)) for number in range(5)]
    first = list_versions(site, owner, page_size=3)
    assert first.items == (made[4], made[3], made[2])
    second = list_versions(site, owner, page_size=3, token=first.next_page_token)
    assert (second.items, second.next_page_token) == ((made[1], made[0]), None)


def test_one_dataset_can_be_listed_alone(site: Site, owner: Actor) -> None:
    _seen(site, owner, "cars.csv", "1")
    other = _seen(site, owner, "data/images", "2")
    assert list_versions(site, owner, filters={"path": "data/images"}).items == (other,)


def test_another_namespace_sees_nothing(site: Site, owner: Actor) -> None:
    version = _seen(site, owner, "cars.csv", "1")
    stranger = replace(owner, namespace_id="another")
    assert list_versions(site, stranger).items == ()
    with pytest.raises(NotFound):
        dataset_version(site, stranger, version.id)
    with site.database.read() as connection:
        found = store.find_version(
            connection, "another", repository="git:1", path="cars.csv", content_hash=version.hash
        )
    assert found is None


def test_who_has_no_role_may_not_read(site: Site, owner: Actor) -> None:
    with pytest.raises(Forbidden):
        list_versions(site, replace(owner, roles=frozenset()))


def test_a_cursor_of_somebody_else_is_refused(site: Site, owner: Actor) -> None:
    with pytest.raises(InvalidInput):
        list_versions(site, owner, token="nonsense")


def test_a_commit_is_recorded_once(site: Site, owner: Actor) -> None:
    version = _seen(site, owner, "cars.csv", "1")
    with site.database.write() as connection:
        store.set_commit(connection, owner.namespace_id, version.id, "abc")
        store.set_commit(connection, owner.namespace_id, version.id, "def")
    found = dataset_version(site, owner, version.id)
    assert (found.git_commit, found.generation) == ("abc", 2)
