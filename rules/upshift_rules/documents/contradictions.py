"""Faults of a `sampling:` section that lie between its fields.

They are looked for in what the file says, valid or not, so that they come with all other faults.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from upshift_agent.contract import CPU, MAX_HZ, PROFILES, shown

from ..model import default_frequency
from ..text import in_words, show
from .nodes import Path
from .rollout_entry import ROLLOUT

#: A lease of a rule with such a name could not be told from a target.
TARGET_KINDS = frozenset({"service", "node"})


def contradictions(sampling: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    """Return every contradiction, with its path below `sampling`."""
    yield from above(sampling, sampling.get("max_frequency"), "max_frequency")
    yield from _names(sampling)


def above(sampling: Mapping[str, Any], most: Any, name: str) -> Iterator[tuple[Path, str]]:
    """Return every frequency above `most`, the value of `name`, in its profile's own unit."""
    if not _is_hz(most):
        return
    asked: list[tuple[Path, Any, str]] = [(("default",), sampling.get("default"), CPU)]
    asked += [(path, hz, CPU) for path, hz in _section(sampling, "environments")]
    asked += [(path, hz, str(path[1])) for path, hz in _section(sampling, "profiles")]
    for at, entry in _entries(sampling):
        unit = "heap" if _profiles(entry) == ["heap"] else CPU
        asked.append(((*at, "frequency"), entry.get("frequency"), unit))
    for at, entry in _entries(sampling, "schedules"):
        if entry.get("kind") != "cap":  # which lowers
            unit = "heap" if _profiles(entry) == ["heap"] else CPU
            asked.append(((*at, "frequency"), entry.get("frequency"), unit))
    for path, hz, profile in asked:
        if _is_hz(hz) and hz > most:
            said = f"{shown(profile, most)}{default_frequency(most)}"
            yield path, f"{in_words(path)} must be at most {name}, {said}, got {hz}"


def _section(sampling: Mapping[str, Any], name: str) -> list[tuple[Path, Any]]:
    values = sampling.get(name)
    return [((name, key), it) for key, it in values.items()] if isinstance(values, dict) else []


def _names(sampling: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    seen: set[str] = set()
    keys: dict[str, str] = {}
    for at, entry in _entries(sampling):
        field = "trigger" if at[0] == "on_alert" and entry.get("name") is None else "name"
        name = entry.get(field, ROLLOUT if at[0] == "on_rollout" else None)
        if not isinstance(name, str):
            continue
        if name in TARGET_KINDS:
            yield (
                (*at, field),
                f"name {show(name)} is what targets begin with; give this rule another `name:`",
            )
        if name in seen:
            yield (
                (*at, field),
                f"name {show(name)} is taken by a rule above; give this one a name of its own",
            )
        seen.add(name)
        for profile in _profiles(entry):
            key = name if profile == CPU else f"{name}:{profile}"
            if keys.setdefault(key, name) != name:
                yield (
                    (*at, field),
                    f"boosts by {show(name)} would be called {show(key)}, as some by "
                    f"{show(keys[key])} above are; give one of the two another name",
                )

    for at, entry in _entries(sampling, "schedules"):
        name = entry.get("name")
        if not isinstance(name, str):
            continue
        if name in TARGET_KINDS:
            yield (
                (*at, "name"),
                f"name {show(name)} is what targets begin with; give this schedule another one",
            )
        mine = [name, *(f"{name}:{profile}" for profile in _profiles(entry))]
        if name in seen or any(key in keys for key in mine):
            yield (
                (*at, "name"),
                f"name {show(name)} is taken by a rule or a schedule above; leases are called so",
            )
        seen.add(name)
        keys |= dict.fromkeys(mine, name)


def _profiles(entry: Mapping[str, Any]) -> list[str]:
    """Those that an entry is for, as far as they can be read."""
    asked = entry.get("profile", CPU)
    return [it for it in (asked if isinstance(asked, list) else [asked]) if it in PROFILES]


def _entries(sampling: Mapping[str, Any], *sections: str) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The entries of `sections`, or else all rules, and where each one stands."""
    for section in sections or ("on_alert", "on_rollout"):
        entries = sampling.get(section)
        for index, entry in enumerate(entries) if isinstance(entries, list) else ():
            if isinstance(entry, dict):
                yield (section, index), entry


def _is_hz(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_HZ
