"""The steps of an ejected module: a container component each, with the cells above it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tidemill.notebooks.ejected_names import Names
from tidemill.notebooks.python_text import Name, literal, text_literal

PYTHON_TYPES = {
    "BOOLEAN": "bool", "NUMBER_INTEGER": "int", "NUMBER_DOUBLE": "float", "STRING": "str", "LIST": "list",
    "STRUCT": "dict",
}  # fmt: skip
_SHARED = ("schema_version", "notebook", "prelude")
_ORDER = ("step", "cells", "imports", "settings", "parameters", "inputs", "outputs")


@dataclass(frozen=True, slots=True, kw_only=True)
class EjectedStep:
    """A step as the spec has it: its component, its container, and what the container's arguments say."""

    task: str
    cells: tuple[int, ...]
    component: dict[str, Any]
    container: dict[str, Any]
    program: dict[str, Any]
    files: dict[str, str]

    @property
    def given(self) -> dict[str, dict[str, Any]]:
        """Its parameters, by port."""
        found: dict[str, dict[str, Any]] = self.component.get("inputDefinitions", {}).get("parameters", {})
        return found

    @property
    def taken(self) -> dict[str, str]:
        """The class of each input artifact, by port."""
        return _classes(self.component.get("inputDefinitions", {}))

    @property
    def outputs(self) -> dict[str, str]:
        """The class of each output artifact, by name."""
        return _classes(self.component.get("outputDefinitions", {}))


def _classes(definitions: dict[str, Any]) -> dict[str, str]:
    artifacts = definitions.get("artifacts", {})
    return {
        name: spec["artifactType"]["schemaTitle"].removeprefix("system.") for name, spec in sorted(artifacts.items())
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """What the steps have in common: image, command, the cells before every step, modules beside the notebook."""

    image: str
    command: list[str]
    prelude: list[tuple[int, str]]
    prelude_table: list[dict[str, Any]]
    modules: list[tuple[str, str, str]]
    constants: dict[tuple[int, str], str]

    @classmethod
    def of(cls, steps: list[EjectedStep]) -> Shared:
        """Of all steps of a notebook; each text of a cell gets the name of a constant."""
        first = steps[0].program
        constants: dict[tuple[int, str], str] = {}
        for item in (*first["prelude"], *(cell for step in steps for cell in step.program["cells"])):
            number, code = item["cell"], item["code"]
            if "source" in item:
                constants.setdefault((number, item["source"]), f"CELL_{number}")
                constants.setdefault((number, code), f"CODE_{number}")
            else:
                constants.setdefault((number, code), f"CELL_{number}")
        made = cls(
            image=Counter(step.container["image"] for step in steps).most_common(1)[0][0],
            command=steps[0].container["command"],
            prelude=[(item["cell"], _assigned(item, constants)) for item in first["prelude"]],
            prelude_table=[_named(item, constants) for item in first["prelude"]],
            modules=[
                (f"MODULE_{number}", path, text)
                for number, (path, text) in enumerate(sorted(first.get("modules", {}).items()), start=1)
            ],
            constants=constants,
        )
        return made

    @property
    def module_table(self) -> dict[str, Name]:
        """The constants of the modules beside the notebook, by path."""
        return {path: Name(name) for name, path, _ in self.modules}

    def own_cells(self, step: EjectedStep) -> Iterator[tuple[int, str]]:
        """The constants of a step's own cells, with their numbers."""
        for item in step.program["cells"]:
            yield item["cell"], _assigned(item, self.constants)


def _assigned(item: dict[str, Any], constants: dict[tuple[int, str], str]) -> str:
    texts = [item["source"]] if "source" in item else []
    texts.append(item["code"])
    lines = [f"{constants[item['cell'], text]} = {text_literal(text)}" for text in texts]
    return ("\n# The same without magics, as it runs in a step.\n" if len(lines) > 1 else "\n").join(lines) + "\n"


def _named(item: dict[str, Any], constants: dict[tuple[int, str], str]) -> dict[str, Any]:
    texts: dict[str, Any] = {key: Name(constants[item["cell"], item[key]]) for key in ("code", "source") if key in item}
    return {**item, **texts}


def step_text(step: EjectedStep, names: Names, shared: Shared) -> str:
    """The component of a step."""
    dsl = names.dsl
    arguments = [f"    {name}: {dsl}.Input[{dsl}.{kind}],\n" for name, kind in step.taken.items()]
    required = {name: spec for name, spec in sorted(step.given.items()) if "isOptional" not in spec}
    arguments += [f"    {name}: {PYTHON_TYPES[spec['parameterType']]},\n" for name, spec in required.items()]
    arguments += [f"    {name}: {dsl}.Output[{dsl}.{kind}],\n" for name, kind in step.outputs.items()]
    arguments += [
        f"    {name}: Optional[{PYTHON_TYPES[spec['parameterType']]}] = None,\n"
        for name, spec in sorted(step.given.items())
        if name not in required
    ]
    image = "IMAGE" if step.container["image"] == shared.image else literal(step.container["image"])
    files = f"            files={literal(step.files, 12)},\n" if step.files else ""
    return (
        f"@{dsl}.container_component\n"
        f"def {names.functions[step.task]}(\n{''.join(arguments)}):\n"
        f'    """The step {step.program["step"]}: {_cells(step.cells)}."""\n'
        f"    return {dsl}.ContainerSpec(\n"
        f"        image={image},\n"
        f"        command=COMMAND,\n"
        f"        args={names.arguments}(\n"
        f"            {literal(_program(step, shared), 12)},\n{files}"
        f"        ),\n"
        f"    )\n"
    )


def _program(step: EjectedStep, shared: Shared) -> dict[str, Any]:
    program = {key: value for key, value in step.program.items() if key not in _SHARED}
    program["cells"] = [_named(item, shared.constants) for item in program["cells"]]
    if "modules" in program:
        program["modules"] = Name("MODULES")
    first = [key for key in _ORDER if key in program]
    return {key: program[key] for key in (*first, *sorted(set(program) - set(first)))}


def _cells(numbers: tuple[int, ...]) -> str:
    return f"cell {numbers[0]}" if len(numbers) == 1 else f"cells {', '.join(map(str, numbers))}"
