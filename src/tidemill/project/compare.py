"""Compare three states of a project, field by field: what its file declares, what was applied, what is there now."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tidemill.project.fields import Fields, Path, differs, fields_of, name_of
from tidemill.project.live import LiveSection
from tidemill.project.model import Generation, Project


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldChange:
    """A field that `apply` would change, from what is there; None where a side has no value.

    `given_up`: the file names it no longer, so that its default returns (`new`, where the site knows it). `drifted`:
    the file says what was applied last, and the site has something else.
    """

    field: str
    old: Any
    new: Any
    given_up: bool = False
    drifted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTimeChange:
    """A field that is not as it was applied; `stays`: no file declares it, so that `apply` leaves it."""

    field: str
    applied: Any
    live: Any
    stays: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignChange:
    """A field that another apply set since this file's base, and that `apply` of this file would take back."""

    field: str
    old: Any
    new: Any
    by: str
    at: datetime
    generation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What `apply` would do, and where file, applied state and site have drifted apart.

    `applied` is the newest generation, None before the first; `base` the number of the one that the file comes from,
    0 for none. `released` are things of the site that the file declares no more: they stay, and nobody owns them.
    """

    project: str
    applied: Generation | None
    base: int
    changes: tuple[FieldChange, ...] = ()
    at_run_time: tuple[RunTimeChange, ...] = ()
    by_others: tuple[ForeignChange, ...] = ()
    released: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """A project with what it declares, and its sections on the site."""

    project: Project
    fields: Fields
    live: tuple[LiveSection, ...]

    @classmethod
    def of(cls, project: Project, live: Iterable[LiveSection]) -> Side:
        """The side of a project."""
        return cls(project=project, fields=fields_of(project.declared), live=tuple(live))


def changed_fields(file: Side, applied: Side | None) -> tuple[FieldChange, ...]:
    """What `apply` would change, in the order of the file, then what it gives up."""
    before = applied.fields if applied is not None else {}
    sections = {path: section for section in file.live for path in _names(section)}
    there = {path: value for side in (applied, file) if side for path, value in _actual(side)}
    paths = dict.fromkeys([*file.fields, *before, *sections])
    changes = (_change(path, file.fields, before, sections.get(path), there) for path in paths)
    return tuple(change for change in changes if change is not None)


def _change(
    path: Path, declared: Fields, before: Fields, section: LiveSection | None, there: Fields
) -> FieldChange | None:
    given_up = path in before and path not in declared
    redeclared = path in declared and _differ(before, declared, path)
    wanted = section.desired.get(path) if section is not None else None
    if section is not None and is_owned(path, section, declared, before) and differs(there.get(path), wanted):
        deciding = section.owners.get(path, (path,))
        drifted = bool(before) and not any(_differ(before, declared, each) for each in deciding)
        new = wanted if path in section.owners else declared.get(path, wanted)
        return FieldChange(field=name_of(path), old=there.get(path), new=new, given_up=given_up, drifted=drifted)
    if redeclared:
        return FieldChange(field=name_of(path), old=before.get(path), new=declared[path])
    if given_up:
        return FieldChange(field=name_of(path), old=there.get(path, before[path]), new=wanted, given_up=True)
    return None


def _differ(before: Fields, declared: Fields, path: Path) -> bool:
    """True when a file says another thing of a field than the applied one; saying "" is not the same as nothing."""
    return (path in before) is not (path in declared) or differs(before.get(path), declared.get(path))


def is_declared_anew(file: Side, applied: Side | None) -> bool:
    """True when the file says anything else than what was applied last, so that an apply is a new generation."""
    before = applied.fields if applied is not None else {}
    return any(_differ(before, file.fields, path) for path in {*before, *file.fields})


def is_owned(path: Path, section: LiveSection, *declarations: Fields) -> bool:
    """True when one of the declarations decides a field of the section."""
    return any(each in fields for each in section.owners.get(path, (path,)) for fields in declarations)


def run_time_changes(file: Side, applied: Side | None) -> tuple[RunTimeChange, ...]:
    """Where the site is not as it was applied."""
    if applied is None:
        return ()
    return tuple(change for section in applied.live for change in _run_time(section, file.fields, applied.fields))


def _run_time(section: LiveSection, declared: Fields, before: Fields) -> Iterator[RunTimeChange]:
    if section.actual is None:
        name = section.desired[section.identity]
        yield RunTimeChange(field=name_of(section.identity), applied=name, live=None, stays=False)
        return
    for path in _names(section):
        applied, live = section.desired.get(path), section.actual.get(path)
        if differs(applied, live):
            stays = not is_owned(path, section, declared, before)
            yield RunTimeChange(field=name_of(path), applied=applied, live=live, stays=stays)


def foreign_changes(
    declared: Fields, generations: Iterable[tuple[Generation | None, Fields]]
) -> tuple[ForeignChange, ...]:
    """What was applied by others and the file does not have; `generations` from its base to the newest one.

    The first of them is the base: fields without a generation when the file comes from none.
    """
    states = iter(generations)
    _, base = next(states)
    newest, last_set = base, dict[Path, Generation]()
    for generation, fields in states:
        assert generation is not None
        last_set.update(
            (path, generation) for path in [*fields, *newest] if differs(newest.get(path), fields.get(path))
        )
        newest = fields
    return tuple(
        ForeignChange(
            field=name_of(path),
            old=base.get(path),
            new=newest.get(path),
            by=generation.created_by,
            at=generation.created_at,
            generation=generation.number,
        )
        for path, generation in last_set.items()
        if differs(base.get(path), newest.get(path)) and differs(newest.get(path), declared.get(path))
    )


def released(file: Side, applied: Side | None) -> tuple[str, ...]:
    """What is on the site, was declared, and is no more."""
    declared = {section.subject for section in file.live}
    before = applied.live if applied is not None else ()
    return tuple(each.subject for each in before if each.actual is not None and each.subject not in declared)


def merged(section: LiveSection, declared: Fields, before: Mapping[Path, Any]) -> dict[Path, Any]:
    """The fields that `apply` writes: the declared ones, defaults for those given up, the others as they are there."""
    actual = section.actual
    if actual is None:
        return dict(section.desired)
    return {
        path: section.desired.get(path)
        if is_owned(path, section, declared, before)
        else actual.get(path, section.desired.get(path))
        for path in _names(section)
    }


def _names(section: LiveSection) -> list[Path]:
    return list(dict.fromkeys([*section.desired, *(section.actual or ())]))


def _actual(side: Side) -> Iterator[tuple[Path, Any]]:
    for section in side.live:
        yield from (section.actual or dict.fromkeys(section.desired)).items()
