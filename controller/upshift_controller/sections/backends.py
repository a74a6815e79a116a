"""`backends:` of `upshift.yaml`: where profiles are kept, for reports of what boosts brought."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from pydantic import Field

from upshift_agent.contract import PROFILES, Profile
from upshift_rules.documents.fields import Line
from upshift_rules.documents.located import Section, must_be

from ..evidence.backends import Backend, parca, pyroscope
from .secrets import text_in, token_in

_PART = r"[A-Za-z_][A-Za-z0-9_]*"
Type = Annotated[
    str,
    Field(pattern=rf"^{_PART}(:{_PART}){{3,5}}$"),
    must_be("a profile's type, such as process_cpu:cpu:nanoseconds:cpu:nanoseconds"),
]

Named = Annotated[Profile, must_be(f"one of {', '.join(PROFILES)}")]


class ProfileTypes(Section):
    """How one profile is called there."""

    weight: Type = Field(description="What its stacks weigh: nanoseconds, or samples.")
    count: Type | None = Field(
        default=None,
        description="How many samples there are. Default: as many as were requested of that time.",
    )


class BackendEntry(Section):
    """A store of profiles."""

    url: Line = Field(
        pattern=r"^https?://[^/]",
        repr=False,  # it may hold a password
        description="Its URL.",
        examples=["http://parca:7070"],
    )
    token_file: Line | None = Field(
        default=None, description="File that holds a bearer token for it, alone."
    )
    ca_file: Line | None = Field(
        default=None, description="CA certificates that its own must be of. Default: public ones."
    )
    profiles: dict[Named, ProfileTypes] = Field(
        default_factory=dict,
        description="Profile, such as cpu → its types there. Default: as the host agent writes.",
        examples=[{"cpu": {"weight": "parca_agent:samples:count:cpu:nanoseconds:delta"}}],
    )


class BackendsEntry(Section):
    """Where profiles are kept. The first that is given is asked."""

    parca: BackendEntry | None = Field(default=None, description="Parca, by its query API.")
    pyroscope: BackendEntry | None = Field(default=None, description="Pyroscope, by its query API.")

    def beside(self, at: Callable[[str | None], str | None]) -> BackendsEntry:
        """With paths of files as `at` makes them."""

        def moved(entry: BackendEntry | None) -> BackendEntry | None:
            files = ("token_file", "ca_file")
            return entry and entry.model_copy(update={it: at(getattr(entry, it)) for it in files})

        return self.model_copy(
            update={"parca": moved(self.parca), "pyroscope": moved(self.pyroscope)}
        )

    def backend(self) -> Backend | None:
        """Read the files. Raise `StartRefused` naming the first that is of no use."""
        if self.parca is not None:
            return _backend("parca", self.parca)
        return None if self.pyroscope is None else _backend("pyroscope", self.pyroscope)


def _backend(kind: str, entry: BackendEntry) -> Backend:
    known = parca.PROFILES if kind == "parca" else pyroscope.PROFILES
    stated = {str(name): (it.weight, it.count) for name, it in entry.profiles.items()}
    token = token_in(entry.token_file)
    if entry.ca_file is not None:
        text_in(entry.ca_file)
    return Backend(
        kind="parca" if kind == "parca" else "pyroscope",
        url=entry.url.rstrip("/"),
        token=token,
        ca_file=entry.ca_file,
        profiles={**known, **stated},
    )
