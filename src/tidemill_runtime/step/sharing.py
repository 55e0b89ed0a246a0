"""Objects that several variables hold: found when a step ends, and watched by the steps that change one of them.

In the notebook such a change is seen through all of the variables. Between steps each variable is an artifact of its
own, so a step that changes an object must hand on all variables that hold it; when it cannot, it fails and says so.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Set, Tuple

from tidemill_runtime.step.codecs.contract import Scene, is_exactly
from tidemill_runtime.step.codecs.parts import Fingerprint, Parts, fingerprint, is_model, parts_of
from tidemill_runtime.step.problems import VariableError, first_use, judge
from tidemill_runtime.step.program import StepProgram

MAX_SHARED_PARTS = 50
"""Parts told one by one; of what has more in common, the whole is watched."""


@dataclass(frozen=True)
class Watched:
    """A part of an input that other variables hold too (`name@step`), as it was when the step began."""

    name: str
    part: object
    holders: Tuple[str, ...]
    before: Fingerprint


class Sharing:
    """What the variables of a step have in common with each other and with those of other steps."""

    def __init__(self, program: StepProgram) -> None:
        self._program = program
        self._watched: List[Watched] = []
        self._known: Dict[int, Tuple[object, Tuple[str, ...]]] = {}

    # --- what comes in

    def follow(self, loaded: Mapping[str, Any], metadata: Mapping[str, Mapping[str, Any]], scene: Scene) -> None:
        """Look at the inputs that are told to share objects; `loaded` has the values as they came."""
        told = {name: json.loads(metadata[name]["shared"]) for name in loaded if metadata[name].get("shared")}
        parts = {name: parts_of(loaded[name], scene) for name in told}
        for name, found in told.items():
            listed = list(parts[name])
            for index, holders in found["parts"].items():
                fits = len(listed) == found["count"]
                part = listed[int(index)] if fits else loaded[name]
                self._known[id(part)] = (part, tuple(holders))
                missed = tuple(holder for holder in holders if self._misses(holder, part, parts))
                if missed:
                    self._watched.append(Watched(name, part, missed, fingerprint(part, scene)))

    def _misses(self, holder: str, part: object, parts: Mapping[str, Parts]) -> bool:
        """True for a variable that would not see a change: later steps take it as it is, or it came as a copy."""
        name, _, step = holder.partition("@")
        if holder in self._program.later:
            return True
        return self._program.inputs.get(name) == step and name in parts and id(part) not in parts[name].found

    # --- what was done

    def check(self, scene: Scene) -> None:
        """Raise `VariableError` when an object was changed that a variable holds which does not see it."""
        for watched in self._watched:
            name, _, step = watched.holders[0].partition("@")
            message = (
                f"`{watched.name}` was changed by the step {self._program.step}, and `{name}`, made in the step "
                f"{step}, holds the same object: it would not see the change; keep these cells in one step"
            )
            judge(watched.before, fingerprint(watched.part, scene), message, self._program, watched.name)

    # --- what goes out

    def found(self, outputs: Mapping[str, Any], kept: Mapping[str, Any], scene: Scene) -> Shared:
        """What the outputs share; `kept` are inputs that later steps take as they are.

        Raises `VariableError` when a later step is known to change an object through a variable that does not know of
        an output which holds it now.
        """
        values = {**{f"{name}@{self._program.inputs[name]}": value for name, value in kept.items()}}
        values.update({f"{name}@{self._program.step}": value for name, value in outputs.items()})
        if len(values) < 2 and not self._known:
            return Shared({}, [])
        parts = {holder: parts_of(value, scene) for holder, value in values.items()}
        holders = self._holders(parts)
        told: Dict[str, str] = {}
        for name in outputs:
            holder = f"{name}@{self._program.step}"
            shared = {i: tuple(h for h in holders[id(p)] if h != holder) for i, p in enumerate(parts[holder])}
            shared = {index: others for index, others in shared.items() if others}
            self._refuse_blind(name, shared, list(parts[holder]))
            if shared:
                told[name] = json.dumps(_listed(shared, len(parts[holder])), sort_keys=True)
        return Shared(told, _groups(outputs, {name: parts[f"{name}@{self._program.step}"] for name in outputs}))

    def _holders(self, parts: Mapping[str, Parts]) -> Dict[int, List[str]]:
        """By the identity of a part, the variables that hold it; a frame that keeps its columns in an array, too."""
        found: Dict[int, List[str]] = {}
        for holder, mine in parts.items():
            for part in mine:
                found.setdefault(id(part), []).append(holder)
        for identity, (_, known) in self._known.items():
            if identity in found:
                found[identity] += [one for one in known if one in self._program.later and one not in found[identity]]
        for holder, mine in parts.items():
            for identity in mine.memory:
                if identity in found and holder not in found[identity]:
                    found[identity].append(holder)
        return found

    def _refuse_blind(self, name: str, shared: Mapping[int, Tuple[str, ...]], parts: List[object]) -> None:
        for index, others in shared.items():
            for other in others:
                change = self._program.changes.get(other)
                # a model may hold the array that it was fitted on, and what its methods do is not known
                unsure = change is not None and not change["sure"] and is_exactly(parts[index], "numpy", "ndarray")
                if change is None or name not in change["stale"] or unsure:
                    continue
                variable = other.partition("@")[0]
                raise VariableError(
                    f"`{name}` holds an object of `{variable}`, which the step {change['step']} changes later "
                    f"(cell {change['cell']}, line {change['line']}): `{name}` would not see the change; "
                    "keep these cells in one step",
                    first_use(self._program, name),
                )


@dataclass(frozen=True)
class Shared:
    """By output, what is told to those who take it; and the groups of outputs that are written together."""

    told: Dict[str, str]
    groups: List[List[str]]


def _listed(shared: Mapping[int, Tuple[str, ...]], count: int) -> Dict[str, Any]:
    if len(shared) > MAX_SHARED_PARTS:
        every = sorted({other for others in shared.values() for other in others})
        return {"count": count, "parts": {"0": every}}
    return {"count": count, "parts": {str(index): sorted(others) for index, others in shared.items()}}


def _groups(outputs: Mapping[str, Any], parts: Mapping[str, Parts]) -> List[List[str]]:
    """Outputs that hold objects in common, other than those that are one object altogether; models stay apart."""
    names = sorted(name for name, value in outputs.items() if not is_model(value))
    groups: List[Set[str]] = []
    for name in names:
        near = {
            other
            for other in names
            if other != name and outputs[other] is not outputs[name] and parts[other].found.keys() & parts[name].found
        }
        if near:
            joined = [group for group in groups if group & {name, *near}]
            groups = [group for group in groups if group not in joined] + [{name, *near}.union(*joined)]
    return [sorted(group) for group in groups]
