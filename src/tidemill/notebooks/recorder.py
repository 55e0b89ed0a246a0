"""Where a visitor reports what code does: at once, in a step, or later, when a function is called."""

from __future__ import annotations

from typing import Protocol

from tidemill.notebooks.facts import CallFact, Facts, MethodFact, Spot


class Recorder(Protocol):
    """Takes what code does to names of the notebook's own namespace, in evaluation order.

    `use` reads a name now (and calls it, or passes it to a call), `reach` perhaps later (through a lambda); `link` says
    that a name now holds the same object as another, or a part of it.
    """

    def use(self, name: str, spot: Spot, *, called: bool, passed: bool = False) -> None: ...

    def reach(self, name: str, spot: Spot) -> None: ...

    def link(self, name: str, source: str, spot: Spot, *, part: bool) -> None: ...

    def define(self, name: str, spot: Spot, facts: Facts | None) -> None: ...

    def delete(self, name: str, spot: Spot) -> None: ...

    def mutate(self, name: str, spot: Spot, *, surely: bool) -> None: ...

    def method(self, name: str, method: str, spot: Spot, *, inplace: bool) -> None: ...

    def call(self, fact: CallFact) -> None: ...

    def facts_of(self, name: str) -> Facts | None: ...


class LateRecorder:
    """Collects what a function body does to global names, as `Facts`."""

    def __init__(self, parameters: tuple[str, ...]) -> None:
        self._parameters = parameters
        self._late: dict[str, Spot] = {}
        self._writes: dict[str, Spot] = {}
        self._mutates: dict[str, bool] = {}
        self._mutated_parameters: set[str] = set()
        self._calls: list[CallFact] = []
        self._method_calls: list[MethodFact] = []

    def use(self, name: str, spot: Spot, *, called: bool, passed: bool = False) -> None:
        self._late.setdefault(name, spot)

    def reach(self, name: str, spot: Spot) -> None:
        self._late.setdefault(name, spot)

    def link(self, name: str, source: str, spot: Spot, *, part: bool) -> None:
        return

    def define(self, name: str, spot: Spot, facts: Facts | None) -> None:
        self._writes.setdefault(name, spot)

    def delete(self, name: str, spot: Spot) -> None:
        self._writes.setdefault(name, spot)

    def mutate(self, name: str, spot: Spot, *, surely: bool) -> None:
        self._mutates[name] = surely or self._mutates.get(name, False)

    def method(self, name: str, method: str, spot: Spot, *, inplace: bool) -> None:
        self._method_calls.append(MethodFact(name=name, method=method, inplace=inplace, spot=spot))

    def call(self, fact: CallFact) -> None:
        self._calls.append(fact)

    def facts_of(self, name: str) -> Facts | None:
        return None

    def mutate_parameter(self, name: str) -> None:
        """A local name that is a parameter is changed in place."""
        if name in self._parameters:
            self._mutated_parameters.add(name)

    def facts(self, parameters: tuple[str, ...], surely_writes: frozenset[str], mutable: frozenset[str]) -> Facts:
        """All of it; `mutable` are the parameters whose default value is an object that can change."""
        return Facts(
            parameters=parameters,
            late=self._late,
            writes=self._writes,
            mutates=self._mutates,
            mutated_parameters=frozenset(self._mutated_parameters),
            calls=tuple(self._calls),
            method_calls=tuple(self._method_calls),
            surely_writes=surely_writes,
            keeps_state=bool(mutable & self._mutated_parameters),
        )
