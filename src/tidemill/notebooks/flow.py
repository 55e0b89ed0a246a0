"""What a step does to the notebook's names, branch by branch: what it needs from before and leaves behind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from tidemill.notebooks.facts import CallFact, Facts, Spot
from tidemill.notebooks.mutation import method_changes

MAX_CALL_DEPTH = 30


@dataclass(slots=True)
class Path:
    """The state on one path through the code: which names are surely bound, with their facts."""

    bound: set[str] = field(default_factory=set)
    facts: dict[str, Facts] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    ended: bool = False

    def copy(self) -> Path:
        return Path(set(self.bound), dict(self.facts), set(self.gone), self.ended)


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """A name that was read before it was surely bound. Not `hard`: only perhaps, or guarded by `except NameError`."""

    spot: Spot
    hard: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutation:
    """An object changed in place, surely or perhaps (by a method that is not known)."""

    spot: Spot
    surely: bool


@dataclass(frozen=True, slots=True)
class Outside:
    """What is known of names that come from before: facts, same objects, and whether an import bound them."""

    facts_of: Callable[[str], Facts | None] = lambda name: None
    linked_to: Callable[[str], dict[str, bool]] = lambda name: {}
    is_import: Callable[[str], bool] = lambda name: False
    comes_from_a_step: Callable[[str], bool] = lambda name: False
    is_window: Callable[[str], bool] = lambda name: False


class FlowRecorder:
    """The recorder of a step's own statements; see `Recorder`.

    `uses`, `defined`, `mutated`, `deleted` grow as the code is walked; `path` is the state where it stands,
    `imported` are names bound by imports, `forgiven` those read under an `except NameError`, `patched` modules that
    were changed, `windows` names that hold a part of a module, `links` names that share an object (True: a part of
    it), `torn` such pairs of which another step made the other one.
    """

    def __init__(self, outside: Outside) -> None:
        self.uses: dict[str, Use] = {}
        self.defined: dict[str, Spot] = {}
        self.mutated: dict[str, Mutation] = {}
        self.deleted: dict[str, Spot] = {}
        self.imported: set[str] = set()
        self.patched: dict[str, Spot] = {}
        self.windows: set[str] = set()
        self.links: dict[str, dict[str, bool]] = {}
        self.torn: list[tuple[str, str, Spot]] = []
        self.forgiving = 0
        self.forgiven: set[str] = set()
        self._outside = outside
        self.path = Path()

    # --- branches

    def branch(self) -> Path:
        """The state now, to come back to."""
        return self.path.copy()

    def switch(self, path: Path) -> Path:
        """Go on from a state; gives the one that was in place."""
        left, self.path = self.path, path.copy()
        return left

    def may_have(self, path: Path) -> None:
        """Something of another path may have run before this one (a handler after its try)."""
        for name, facts in path.facts.items():
            self.path.facts.setdefault(name, facts)

    def join(self, other: Path) -> None:
        """This path or the other one was taken."""
        mine = self.path
        if mine.ended != other.ended:
            mine.bound = set(other.bound) if mine.ended else mine.bound
            mine.gone = set(other.gone) if mine.ended else mine.gone
        else:
            mine.bound &= other.bound
            mine.gone &= other.gone
        for name, facts in other.facts.items():
            here = mine.facts.get(name)
            if here is not facts:
                mine.facts[name] = (facts.joined(here) if here is not None else facts).doubtful()
        mine.ended = mine.ended and other.ended

    # --- events

    def use(self, name: str, spot: Spot, *, called: bool, passed: bool = False) -> None:
        self._read(name, spot, hard=True)
        facts = self.facts_of(name)
        if facts is not None and not facts.is_value:
            self._run_later(facts, called=called, seen={name}, depth=0)
            if passed:  # whoever gets a function may call it
                for changed in facts.mutates:
                    self.mutate(changed, spot, surely=False)
                for method in facts.method_calls:
                    changes = method_changes(method.method, inplace=method.inplace) is not False
                    if changes and not self.holds_import(method.name):
                        self.mutate(method.name, spot, surely=False)
            if facts.is_instance and facts.changes_when_read:
                self.mutate(name, spot, surely=False)
            if called and (facts.keeps_state or (facts.is_instance and facts.methods.get("__call__", False))):
                self.mutate(name, spot, surely=True)
        elif (
            called
            and not self.holds_import(name)
            and (name in self.path.bound or facts is not None or self._outside.comes_from_a_step(name))
        ):
            # an object that can be called may keep count (a closure, a network): perhaps it changes
            self.mutate(name, spot, surely=facts is not None and facts.changes_when_called)

    def reach(self, name: str, spot: Spot) -> None:
        self._read(name, spot, hard=False)
        facts = self.facts_of(name)
        if facts is not None and not facts.is_value:
            self._run_later(facts, called=False, seen={name}, depth=0)

    def _read(self, name: str, spot: Spot, *, hard: bool) -> None:
        if name in self.path.bound:
            return
        if self.forgiving:
            self.forgiven.add(name)
        hard = hard and not self.forgiving and name not in self.defined
        before = self.uses.get(name)
        if before is None or (hard and not before.hard):
            self.uses[name] = Use(spot=spot, hard=hard)

    def _run_later(self, facts: Facts, *, called: bool, seen: set[str], depth: int) -> None:
        """Code that a value carries runs, surely when it is called, else perhaps: apply what it does."""
        for name, spot in facts.late.items():
            if name in seen:
                continue
            if not facts.certain:
                self.forgiven.add(name)
            # an object's methods may run much later, so what a class reaches for need not be there yet
            self._read(name, spot, hard=called and facts.certain and not facts.is_class and not facts.is_instance)
            inner = self.facts_of(name)
            if inner is not None and not inner.is_value and depth < MAX_CALL_DEPTH:
                seen.add(name)
                self._run_later(inner, called=called, seen=seen, depth=depth + 1)
        if not called:
            return
        for name, surely in facts.mutates.items():
            self.mutate(name, facts.late.get(name, Spot(cell=0, line=0)), surely=surely)
        for method in facts.method_calls:
            self.method(method.name, method.method, method.spot, inplace=method.inplace)
        for fact in facts.calls:
            self._arguments(fact, own=facts.parameters)
        for name, spot in facts.writes.items():
            surely = name in facts.surely_writes and depth == 0
            self._bind(name, spot, None, surely=surely)

    def define(self, name: str, spot: Spot, facts: Facts | None) -> None:
        self._bind(name, spot, facts, surely=True)

    def _bind(self, name: str, spot: Spot, facts: Facts | None, *, surely: bool) -> None:
        self.defined[name] = spot
        self.windows.discard(name)
        if self.patched.get(name) == spot and name not in self.imported:
            self.patched.pop(name)  # `n += 1`, where `n` was the number of a module
        self.deleted.pop(name, None)
        self.imported.discard(name)
        for other in self.links.pop(name, {}):
            self.links.get(other, {}).pop(name, None)
        if surely:
            self.path.bound.add(name)
            self.path.gone.discard(name)
            self.path.facts.pop(name, None)
        if facts is not None:
            self.path.facts[name] = facts

    def delete(self, name: str, spot: Spot) -> None:
        self.deleted[name] = spot
        self.path.bound.discard(name)
        self.path.gone.add(name)
        self.path.facts.pop(name, None)

    def forget(self, name: str) -> None:
        """A name that only lived inside a block, as `except ... as name` does."""
        self.defined.pop(name, None)
        self.deleted.pop(name, None)

    def link(self, name: str, source: str, spot: Spot, *, part: bool) -> None:
        if self.holds_import(source):
            self.windows.add(name)
            return
        self.links.setdefault(name, {})[source] = part
        self.links.setdefault(source, {})[name] = part
        if source not in self.path.bound and not part:
            # all names leave this step together, so that they stay one object
            self.mutated.setdefault(source, Mutation(spot=spot, surely=False))
            for other, is_part in self._outside.linked_to(source).items():
                if not is_part and other not in self.path.bound:
                    self._read(other, spot, hard=False)
                    self.mutated.setdefault(other, Mutation(spot=spot, surely=False))
                    for one in (name, source):
                        self.links.setdefault(one, {})[other] = False
                        self.links.setdefault(other, {})[one] = False

    def mutate(self, name: str, spot: Spot, *, surely: bool) -> None:
        self._mutate(name, spot, surely=surely, seen=set())

    def _mutate(self, name: str, spot: Spot, *, surely: bool, seen: set[str]) -> None:
        if self.holds_import(name):
            self.patched.setdefault(name, spot)
            return
        if surely and (name in self.windows or (name not in self.path.bound and self._outside.is_window(name))):
            self.patched.setdefault(name, spot)
        before = self.mutated.get(name)
        if before is None or (surely and not before.surely):
            self.mutated[name] = Mutation(spot=spot, surely=surely)
        seen.add(name)
        for other, part in {**self.links.get(name, {})}.items():
            if other not in seen:
                self._mutate(other, spot, surely=surely and not part, seen=seen)
        if name in self.path.bound:
            return
        for other, part in self._outside.linked_to(name).items():
            if part:
                self.torn.append((name, other, spot))
            elif other not in seen and surely:
                self._read(other, spot, hard=False)
                self.links.setdefault(name, {})[other] = False
                self.links.setdefault(other, {})[name] = False
                self._mutate(other, spot, surely=surely, seen=seen)

    def method(self, name: str, method: str, spot: Spot, *, inplace: bool) -> None:
        if self.holds_import(name):
            return
        facts = self.facts_of(name)
        if facts is not None and facts.is_instance and method in facts.methods:
            changes: bool | None = facts.methods[method]
            self._run_later(facts, called=True, seen={name}, depth=0)
        else:
            changes = method_changes(method, inplace=inplace)
        if changes is not False:
            self.mutate(name, spot, surely=changes is True)

    def call(self, fact: CallFact) -> None:
        self._arguments(fact, own=())

    def _arguments(self, fact: CallFact, *, own: tuple[str, ...]) -> None:
        callee = self.facts_of(fact.callee)
        if callee is None or callee.is_class:
            return
        changed = self._changed_parameters(callee, depth=0)
        given = dict(zip(callee.parameters, fact.arguments, strict=False))
        given.update(fact.keywords)
        for parameter, name in given.items():
            if parameter in changed and name is not None and name not in own:
                self.mutate(name, fact.spot, surely=True)

    def _changed_parameters(self, facts: Facts, *, depth: int) -> set[str]:
        changed = set(facts.mutated_parameters)
        for fact in facts.calls:
            callee = self.facts_of(fact.callee)
            if callee is None or callee.is_class or depth > MAX_CALL_DEPTH or callee is facts:
                continue
            inner = self._changed_parameters(callee, depth=depth + 10)
            given = {**dict(zip(callee.parameters, fact.arguments, strict=False)), **fact.keywords}
            changed |= {name for parameter, name in given.items() if parameter in inner and name in facts.parameters}
        return changed

    def facts_of(self, name: str) -> Facts | None:
        if name in self.path.facts:
            return self.path.facts[name]
        return None if name in self.path.bound else self._outside.facts_of(name)

    def holds_import(self, name: str) -> bool:
        """True when an import bound the name, here or before."""
        if name in self.imported:
            return True
        return name not in self.path.bound and self._outside.is_import(name)
