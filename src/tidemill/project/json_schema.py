"""The JSON Schema of `tidemill.toml`, for editors."""

from __future__ import annotations

from typing import Any

from tidemill.project.key_kinds import Field, Kind, Named, Node, Table
from tidemill.project.keys import FILE

TYPES: dict[Kind, dict[str, Any]] = {
    Kind.TEXT: {"type": "string"},
    Kind.TEXTS: {"type": "array", "items": {"type": "string"}},
    Kind.TEXT_OR_TEXTS: {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]},
    Kind.WHOLE: {"type": "integer"},
    Kind.NUMBER: {"type": "number"},
    Kind.BOOLEAN: {"type": "boolean"},
    Kind.LIST: {"type": "array"},
    Kind.ANY: {},
}


def project_schema() -> dict[str, Any]:
    """A JSON Schema (draft 2020-12) of the project file; unknown keys are refused by it too."""
    schema = _schema(FILE)
    about = schema["properties"]["project"]
    about["oneOf"] = [{"required": ["notebook"]}, {"required": ["pipeline"]}]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "tidemill.toml", **schema}


def _schema(node: Node) -> dict[str, Any]:
    if isinstance(node, Field):
        return _field(node)
    if isinstance(node, Named):
        named: dict[str, Any] = {
            "type": "object",
            "description": node.doc,
            "additionalProperties": _schema(node.each),
        }
        if node.pattern:
            named["propertyNames"] = {"pattern": f"^(?:{node.pattern})$"}
        return named
    return _table(node)


def _table(table: Table) -> dict[str, Any]:
    required = [key for key, node in table.keys.items() if node.required]
    schema: dict[str, Any] = {
        "type": "object",
        "description": table.doc,
        "additionalProperties": False,
        "properties": {key: _schema(node) for key, node in table.keys.items()},
    }
    if required:
        schema["required"] = required
    return schema


def _field(field: Field) -> dict[str, Any]:
    schema: dict[str, Any] = {"description": field.doc, **TYPES[field.kind]}
    if field.choices:
        schema["enum"] = list(field.choices)
    if field.minimum is not None:
        schema["minimum"] = field.minimum
    if field.pattern and field.kind is Kind.TEXT:
        schema["pattern"] = f"^(?:{field.pattern})$"
    return schema
