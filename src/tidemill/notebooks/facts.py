"""What code carries that runs later: the names a function or class reaches for when it is called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Spot:
    """A line of a cell, both counted from 1."""

    cell: int
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFact:
    """A call of a global name inside a function: which of its arguments are plain names.

    A positional argument that is no plain name is None; `keywords` maps a parameter to the name given.
    """

    callee: str
    arguments: tuple[str | None, ...]
    keywords: Mapping[str, str]
    spot: Spot


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodFact:
    """A method called on an object that a global name holds."""

    name: str
    method: str
    inplace: bool
    spot: Spot


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """A function, class or lambda as seen from outside.

    `late` are the global names it reads when called, `writes` those it rebinds (`global`), `mutates` those it changes
    in place (True: surely; False: by a method that is not known), `mutated_parameters` the parameters it changes in
    place. `surely_writes` are written by every call. `methods` of a class: does the method change its object?
    `is_value` marks an object that only may hold such code (a dict of functions, what a call gave): its artifact
    brings the names along, as they were. `is_property` marks a method that runs when an attribute is read,
    `changes_when_read` an object that a property, iterating, printing and the like changes, `changes_when_called` a
    bound method that changes its object, `keeps_state` a function whose default value changes when it is called; what
    is not `certain` may as well be another function (of another branch).
    """

    parameters: tuple[str, ...] = ()
    late: Mapping[str, Spot] = field(default_factory=dict)
    writes: Mapping[str, Spot] = field(default_factory=dict)
    mutates: Mapping[str, bool] = field(default_factory=dict)
    mutated_parameters: frozenset[str] = frozenset()
    calls: tuple[CallFact, ...] = ()
    method_calls: tuple[MethodFact, ...] = ()
    surely_writes: frozenset[str] = frozenset()
    methods: Mapping[str, bool] = field(default_factory=dict)
    is_class: bool = False
    is_instance: bool = False
    is_value: bool = False
    is_property: bool = False
    changes_when_read: bool = False
    changes_when_called: bool = False
    keeps_state: bool = False
    certain: bool = True

    def joined(self, other: Facts) -> Facts:
        """Either this or the other, where a branch decides."""
        both = {
            name: self.mutates.get(name, False) or other.mutates.get(name, False)
            for name in {*self.mutates, *other.mutates}
        }
        return Facts(
            parameters=self.parameters or other.parameters,
            late={**other.late, **self.late},
            writes={**other.writes, **self.writes},
            mutates=both,
            mutated_parameters=self.mutated_parameters | other.mutated_parameters,
            calls=self.calls + other.calls,
            method_calls=self.method_calls + other.method_calls,
            surely_writes=self.surely_writes & other.surely_writes,
            methods={**other.methods, **self.methods},
            is_class=self.is_class and other.is_class,
            is_instance=self.is_instance and other.is_instance,
            is_value=self.is_value or other.is_value,
            changes_when_read=self.changes_when_read or other.changes_when_read,
            changes_when_called=self.changes_when_called or other.changes_when_called,
            keeps_state=self.keeps_state or other.keeps_state,
            certain=self.certain and other.certain,
        )

    def doubtful(self) -> Facts:
        """The same, where a branch may have bound something else."""
        return replace(self, certain=False)

    def as_instance(self) -> Facts:
        """The facts of an object that calling this class gives."""
        return Facts(
            late=self.late, writes=self.writes, mutates=self.mutates, calls=self.calls,
            method_calls=self.method_calls, methods=self.methods, is_instance=True,
            changes_when_read=self.changes_when_read,
        )  # fmt: skip
