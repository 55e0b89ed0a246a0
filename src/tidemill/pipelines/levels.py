"""Arrange names by what each needs, and name a cycle where there is one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tidemill.pipelines.documents import Spot


def arrange(
    needs: Mapping[str, Sequence[str]], spot: Spot, *, what: str = "the tasks wait for each other"
) -> tuple[tuple[str, ...], ...]:
    """Levels of names: each needs only names of levels before it; within a level the order of `needs` is kept.

    A cycle raises `InvalidInput` that names its members in order.
    """
    waiting = {name: {each for each in upstream if each in needs} for name, upstream in needs.items()}
    followers: dict[str, list[str]] = {name: [] for name in needs}
    for name, upstream in waiting.items():
        for each in upstream:
            followers[each].append(name)
    order = {name: index for index, name in enumerate(needs)}
    levels: list[tuple[str, ...]] = []
    ready = [name for name, upstream in waiting.items() if not upstream]
    while ready:
        levels.append(tuple(ready))
        freed: list[str] = []
        for name in ready:
            del waiting[name]
            for follower in followers[name]:
                waiting[follower].discard(name)
                if not waiting[follower]:
                    freed.append(follower)
        ready = sorted(freed, key=order.__getitem__)
    if waiting:
        raise spot.problem(f"{what}: {' → '.join(_cycle(waiting))}", "break the circle at one of them")
    return tuple(levels)


def _cycle(waiting: Mapping[str, set[str]]) -> list[str]:
    # Everything left waits for something left, so walking upstream must come back to a name seen before.
    name = next(iter(waiting))
    seen: list[str] = []
    while name not in seen:
        seen.append(name)
        name = min(waiting[name])
    circle = seen[seen.index(name) :]
    return [name, *reversed(circle[1:]), name]
