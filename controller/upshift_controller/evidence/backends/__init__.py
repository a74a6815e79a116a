"""Where profiles are kept, asked for those of some time. I/O, by `requests`, in a process apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from ..spans import Span

#: One question may take this long, connecting included.
ANSWER_S = 15.0
#: No answer may be larger, in bytes.
MAX_ANSWER = 64 * 1024 * 1024


class BackendError(Exception):
    """A backend that cannot be asked, or that answers what it should not, in one sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """One of `backends:`, with the secrets that it takes.

    profiles: profile → the types that are asked for: what stacks weigh, and how many samples there
    are. Without the second, what weighs nanoseconds holds as many as were requested.
    """

    kind: Literal["parca", "pyroscope"]
    url: str = field(repr=False)
    token: str | None = field(default=None, repr=False)
    ca_file: str | None = None
    profiles: Mapping[str, tuple[str, str | None]]


class Profiles(Protocol):
    """Asks one backend."""

    def pprof(self, type_: str, labels: Mapping[str, str | list[str]], span: Span) -> bytes | None:
        """All profiles of a type with these labels, as one; None where there is none.

        Raise `BackendError`.
        """


def label(attribute: str) -> str:
    """How a backend spells an attribute: labels have no dots."""
    return "".join(it if it.isascii() and it.isalnum() else "_" for it in attribute)


def selector(labels: Mapping[str, str | list[str]]) -> str:
    """Matchers as Prometheus writes them; no value can end its quotes."""

    def quoted(text: str) -> str:
        escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'"{escaped}"'

    def one(name: str, value: str | list[str]) -> str:
        if isinstance(value, str):
            return f"{label(name)}={quoted(value)}"
        return f"{label(name)}=~{quoted('|'.join(map(_literal, value)))}"

    return "{" + ",".join(one(name, value) for name, value in sorted(labels.items())) + "}"


def _literal(text: str) -> str:
    """Of RE2: what means something by itself there is escaped."""
    return "".join(f"\\{it}" if it in r"\.+*?()|[]{}^$" else it for it in text)


def from_json(document: Mapping[str, Any]) -> Backend:
    profiles = {name: (types[0], types[1]) for name, types in document["profiles"].items()}
    return Backend(**{**document, "profiles": profiles})
