"""Build the interfaces of components: parameters with their types and defaults, artifacts with their schemas."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tidemill.pipelines.documents import Spot
from tidemill.pipelines.model import MISSING, ArtifactSpec, Interface, ParameterSpec, ParameterType
from tidemill.pipelines.schema import kind_of

LEGACY_TYPES = {
    "INT": ParameterType.NUMBER_INTEGER,
    "DOUBLE": ParameterType.NUMBER_DOUBLE,
    "STRING": ParameterType.STRING,
}
LARGEST_PLAIN_NUMBER = 1e21
"""From here on the backend's JSON writes a whole number with an exponent, which reads back as a float."""


def build_interface(definitions: Mapping[str, Any], spot: Spot) -> Interface:
    """The interface of conformed input or output definitions."""
    parameters = {
        name: _parameter(spec, spot.at("parameters", name)) for name, spec in definitions.get("parameters", {}).items()
    }
    artifacts = {
        name: build_artifact(spec, spot.at("artifacts", name))
        for name, spec in definitions.get("artifacts", {}).items()
    }
    return Interface(parameters=parameters, artifacts=artifacts)


def _parameter(spec: Mapping[str, Any], spot: Spot) -> ParameterSpec:
    stated = spec.get("parameterType", "PARAMETER_TYPE_ENUM_UNSPECIFIED")
    if stated != "PARAMETER_TYPE_ENUM_UNSPECIFIED":
        kind = ParameterType(stated)
    elif spec.get("type") in LEGACY_TYPES:
        kind = LEGACY_TYPES[spec["type"]]
    else:
        raise spot.problem("needs a parameterType")
    parameter = ParameterSpec(
        type=kind, optional=spec.get("isOptional", False), description=spec.get("description", "")
    )
    literals = tuple(
        read_value(value, parameter, spot.at("literals", index)) for index, value in enumerate(spec.get("literals", []))
    )
    default = MISSING
    # Null as a default of an optional input means that there is none: the step's own default counts.
    if spec.get("defaultValue") is not None:
        default = read_value(spec["defaultValue"], parameter, spot.at("defaultValue"))
        if literals and default not in literals:
            raise spot.at("defaultValue").problem(f"{default!r} is not one of the literals")
    return ParameterSpec(
        type=kind,
        optional=parameter.optional,
        default=default,
        description=parameter.description,
        literals=literals,
    )


def build_artifact(spec: Mapping[str, Any], spot: Spot) -> ArtifactSpec:
    """One artifact of an interface, or the type of an importer's (`artifactType` and the other fields)."""
    kind = spec.get("artifactType", {})
    metadata = {**constants(spec.get("properties", {})), **constants(spec.get("customProperties", {}))}
    metadata.update(whole_numbers(spec.get("metadata", {})))
    return ArtifactSpec(
        schema_title=kind.get("schemaTitle", "") or ("" if _other_schema(kind) else "system.Artifact"),
        schema_version=kind.get("schemaVersion", "") or "0.0.1",
        is_list=spec.get("isArtifactList", False),
        optional=spec.get("isOptional", False),
        description=spec.get("description", ""),
        schema_uri=kind.get("schemaUri", ""),
        instance_schema=kind.get("instanceSchema", ""),
        metadata=metadata,
    )


def _other_schema(kind: Mapping[str, Any]) -> bool:
    return bool(kind.get("schemaUri") or kind.get("instanceSchema"))


def constants(properties: Mapping[str, Any]) -> dict[str, Any]:
    """The old typed properties as plain metadata; a runtime parameter becomes its placeholder."""
    return {name: runtime_value(value) for name, value in properties.items()}


def runtime_value(value: Mapping[str, Any]) -> Any:
    """The JSON of a conformed ValueOrRuntimeParameter; a runtime parameter becomes its placeholder."""
    if "constant" in value:
        return whole_numbers(value["constant"])
    if "runtimeParameter" in value:
        return "{{$.inputs.parameters['" + value["runtimeParameter"] + "']}}"
    old = value.get("constantValue", {})
    return next((old[name] for name in ("intValue", "doubleValue", "stringValue") if name in old), None)


def whole_numbers(value: Any) -> Any:
    """The value with 3.0 as 3 at every depth.

    kfp compiles integers to doubles (`google.protobuf.Value` has no integers) and the backend hands them over as
    integers again; so does this.
    """
    if isinstance(value, float) and value.is_integer() and abs(value) < LARGEST_PLAIN_NUMBER:
        return int(value)
    if isinstance(value, list):
        return [whole_numbers(item) for item in value]
    if isinstance(value, dict):
        return {key: whole_numbers(item) for key, item in value.items()}
    return value


def read_value(value: Any, spec: ParameterSpec, spot: Spot) -> Any:
    """A value of the spec as its parameter's type has it; text with a placeholder passes, `InvalidInput` otherwise."""
    if isinstance(value, str) and "{{$" in value:
        return value
    plain = whole_numbers(value)
    if not fits(plain, spec.type):
        raise spot.problem(f"should be {KINDS[spec.type]}, and is {kind_of(value)}")
    return float(plain) if spec.type is ParameterType.NUMBER_DOUBLE else plain


KINDS = {
    ParameterType.NUMBER_DOUBLE: "a number",
    ParameterType.NUMBER_INTEGER: "a whole number",
    ParameterType.STRING: "text",
    ParameterType.BOOLEAN: "true or false",
    ParameterType.LIST: "a list",
    ParameterType.STRUCT: "an object",
    ParameterType.TASK_FINAL_STATUS: "an object",
    ParameterType.TASK_CONFIG: "an object",
}


def fits(value: Any, kind: ParameterType) -> bool:
    """True when a JSON value is of the type as it stands; a whole number is a NUMBER_DOUBLE too."""
    if kind is ParameterType.NUMBER_DOUBLE:
        return isinstance(value, int | float) and not isinstance(value, bool) and abs_fits(value)
    if kind is ParameterType.NUMBER_INTEGER:
        return isinstance(value, int) and not isinstance(value, bool)
    if kind is ParameterType.STRING:
        return isinstance(value, str)
    if kind is ParameterType.BOOLEAN:
        return isinstance(value, bool)
    if kind is ParameterType.LIST:
        return isinstance(value, list)
    return isinstance(value, dict)


def abs_fits(value: int | float) -> bool:
    """True when the number is one that a double can hold, roughly."""
    return isinstance(value, float) or abs(value) < 2**1000
