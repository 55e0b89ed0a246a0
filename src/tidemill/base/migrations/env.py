"""Alembic's entry: runs the migrations on the connection that `migrate` hands over."""

from __future__ import annotations

from alembic import context

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=context.config.attributes.get("target_metadata"),
    render_item=context.config.attributes.get("render_item", lambda *_: False),
    transactional_ddl=True,
    render_as_batch=True,
)
context.run_migrations()
