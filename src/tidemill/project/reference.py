"""The reference of `tidemill.toml` as Markdown, from the table of keys."""

from __future__ import annotations

from collections.abc import Iterator

from tidemill.project.key_kinds import Field, Kind, Named, Node, Table
from tidemill.project.keys import FILE


def project_reference() -> str:
    """One section per table, with a row per key: name, what it is, whether it must be there, what it says."""
    return "\n".join(_sections((), FILE)).strip() + "\n"


def _sections(path: tuple[str, ...], node: Node) -> Iterator[str]:
    if isinstance(node, Named):
        if isinstance(node.each, Field):
            yield from (
                f"## `[{'.'.join(path)}]`",
                "",
                f"{node.doc} Each key is a name, its value {node.each.kind}.",
                "",
            )
        else:
            yield from _sections((*path, "NAME"), node.each)
    if not isinstance(node, Table):
        return
    fields = {key: item for key, item in node.keys.items() if isinstance(item, Field)}
    if path:
        yield from (f"## `[{'.'.join(path)}]`", "", node.doc, "")
    if fields:
        yield from ("| key | value | | meaning |", "|---|---|---|---|")
        yield from (_row(key, field) for key, field in fields.items())
        yield ""
    for key, item in node.keys.items():
        yield from _sections((*path, key), item)


def _row(key: str, field: Field) -> str:
    value = " or ".join(f"`{choice}`" for choice in field.choices) or str(field.kind)
    if field.shape and field.kind is Kind.TEXT:
        value = f"`{field.shape}`" if "." in field.shape else field.shape
    return f"| `{key}` | {value} | {'required' if field.required else ''} | {field.doc} |"
