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

WHOLE = "whole"


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
                fits = index != WHOLE and len(listed) == found["count"]
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
        told: Dict[str, str] = {}
        for name in outputs:
            mine = parts[f"{name}@{self._program.step}"]
            shared = self._holders(f"{name}@{self._program.step}", parts)
            self._refuse_blind(name, shared, mine)
            if shared:
                told[name] = json.dumps(_listed(shared, mine), sort_keys=True)
        return Shared(told, _groups(outputs, {name: parts[f"{name}@{self._program.step}"] for name in outputs}))

    def _holders(self, holder: str, parts: Mapping[str, Parts]) -> Dict[int, List[str]]:
        """By the identity of each part that a variable shares, the others that hold it."""
        mine = parts[holder].found
        found: Dict[int, List[str]] = {}
        for other, theirs in parts.items():
            if other != holder:
                # a frame may keep its columns in an array that is a variable
                for identity in (mine.keys() & theirs.found.keys()) | (mine.keys() & theirs.memory.keys()):
                    found.setdefault(identity, []).append(other)
        for identity in mine.keys() & self._known.keys():
            others = found.setdefault(identity, [])
            others += [one for one in self._known[identity][1] if one in self._program.later and one not in others]
        return {identity: others for identity, others in found.items() if others}

    def _refuse_blind(self, name: str, shared: Mapping[int, List[str]], mine: Parts) -> None:
        for identity, others in shared.items() if self._program.changes else ():
            for other in others:
                change = self._program.changes.get(other)
                # a model may hold the array that it was fitted on, and what its methods do is not known
                is_array = is_exactly(mine.found[identity], "numpy", "ndarray")
                unsure = change is not None and not change["sure"] and is_array
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


def _listed(shared: Mapping[int, List[str]], mine: Parts) -> Dict[str, Any]:
    """As it is told: the parts by their place in the value, and how many there are, so that they are found again."""
    if len(shared) > MAX_SHARED_PARTS:
        return {"count": 0, "parts": {WHOLE: sorted({other for others in shared.values() for other in others})}}
    places = {identity: place for place, identity in enumerate(mine.found) if identity in shared}
    return {"count": len(mine), "parts": {str(places[one]): sorted(others) for one, others in shared.items()}}


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
