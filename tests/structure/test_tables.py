"""Every table belongs to a namespace and says who made its rows; the migrations make just these tables."""

from __future__ import annotations

import importlib
import pkgutil

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import MetaData, Table

import tidemill
from tidemill.base.migrate import HEAD, revision_of
from tidemill.base.site import Site

WITHOUT_AUTHOR = {"event_number": "one row that counts; it holds nothing of anybody's"}


def _together() -> MetaData:
    together = MetaData()
    for module in pkgutil.walk_packages(tidemill.__path__, "tidemill."):
        if module.name.endswith((".store", ".events", ".leases")):
            for table in importlib.import_module(module.name).metadata.tables.values():
                table.to_metadata(together)
    return together


TABLES = sorted(_together().tables.values(), key=lambda table: table.name)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_a_table_names_its_namespace_and_its_author(table: Table) -> None:
    if table.name in WITHOUT_AUTHOR:
        return
    assert "namespace_id" in table.c, f"{table.name} has no namespace_id"
    assert "created_by" in table.c, f"{table.name} has no created_by"
    assert "created_at" in table.c, f"{table.name} has no created_at"


def test_the_migrations_make_just_the_tables_of_the_slices(site: Site) -> None:
    with site.database.engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), _together())
    assert differences == [], "run: scripts/new-migration 'what changes'"


def test_a_new_home_is_at_the_newest_revision(site: Site) -> None:
    assert revision_of(site.database) == HEAD
