"""`notify:` of `upshift.yaml`: who else is told of boosts, refusals and kill switches."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from upshift_rules.documents.fields import Line, Name, Text
from upshift_rules.documents.located import Section
from upshift_rules.documents.nodes import Path as Place
from upshift_rules.text import show

from ..errors import StartRefused

Topic = Literal["boost", "refused", "kill_switch"]
#: Each has a task and a queue of its own.
MAX_DESTINATIONS = 16
_PLACEHOLDERS = ("{target}", "{lease}")


def _url_fault(url: str) -> str | None:
    """What is wrong with an address, without a word of what it is: it may hold a secret."""
    try:
        parts = urlsplit(url)
        known = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        known = False
    if not (known and url.isascii() and url.isprintable() and " " not in url):
        return "must be an address such as https://grafana.example.org"
    if parts.username or parts.password:
        return "must hold no password; put a token into token_file"
    return None


def _address(value: str) -> str:
    if fault := _url_fault(value):
        raise ValueError(fault)
    return value


def _link(value: str) -> str:
    rest = value
    for name in _PLACEHOLDERS:
        rest = rest.replace(name, "x")
    if (fault := _url_fault(rest)) or re.search(r'[{}<>|"]', rest):
        raise ValueError(
            fault or f'may hold {" and ".join(_PLACEHOLDERS)}, and no other of {{}}<>|"'
        )
    return value


#: No `Line`: what that says of a wrong one shows it.
Address = Annotated[str, AfterValidator(_address)]
About = Annotated[list[Topic], Field(min_length=1)]
_ABOUT = (
    "What it is told of: boost, each one's beginning and end; refused, boosts and pins that a "
    "limit refused; kill_switch, caps that stop profiling everywhere."
)
_TOKEN = "File that holds a bearer token, alone."  # noqa: S105  # says what, holds none


class GrafanaEntry(Section):
    """A Grafana: each boost is an annotation there."""

    name: Name = Field(default="grafana", description="In logs and metrics; each name once.")
    url: Address = Field(description="Its address, such as https://grafana.example.org.")
    token_file: Line = Field(description=f"{_TOKEN} A service account's, which may annotate.")
    about: About = Field(default=["boost"], description=_ABOUT)
    tags: list[Text] = Field(
        default_factory=list,
        max_length=16,
        description="Tags of each annotation, beside upshift, the target, rule and frequency.",
    )


class WebhookEntry(Section):
    """Somebody who takes a POST for each notice."""

    name: Name = Field(description="In logs and metrics; each name once.", examples=["on_call"])
    url: Address | None = Field(default=None, description="Where to; or url_file.")
    url_file: Line | None = Field(
        default=None, description="File that holds the address, where that is a secret, as Slack's."
    )
    token_file: Line | None = Field(default=None, description=_TOKEN)
    shape: Literal["json", "slack"] = Field(
        default="json", description="json: all there is; slack: a message of Slack's."
    )
    about: About = Field(default=["boost"], description=_ABOUT)


class NotifyEntry(Section):
    """Who else is told."""

    link: Annotated[str, AfterValidator(_link)] | None = Field(
        default=None,
        description="The link back in each notice, of which {target} and {lease} are filled in.",
        examples=["https://upshift.example.org/api/v1/targets/{target}"],
    )
    grafana: list[GrafanaEntry] = Field(
        default_factory=list, max_length=MAX_DESTINATIONS, description="Grafana's annotations."
    )
    webhooks: list[WebhookEntry] = Field(
        default_factory=list, max_length=MAX_DESTINATIONS, description="Webhooks."
    )

    def beside(self, at: Callable[[str | None], str | None]) -> NotifyEntry:
        """With paths of files as `at` makes them."""

        def moved(entry: Any) -> Any:
            files = [name for name in ("token_file", "url_file") if hasattr(entry, name)]
            return entry.model_copy(update={name: at(getattr(entry, name)) for name in files})

        return self.model_copy(
            update={name: [*map(moved, getattr(self, name))] for name in ("grafana", "webhooks")}
        )

    def destinations(self) -> tuple[Destination, ...]:
        """Read the files. Raise `StartRefused` naming the first that is of no use."""
        return tuple(self._destinations())

    def _destinations(self) -> Iterator[Destination]:
        for it in self.grafana:
            yield Destination(
                name=it.name,
                shape="grafana",
                url=it.url,
                token=_alone(it.token_file),
                about=frozenset(it.about),
                tags=tuple(it.tags),
                link=self.link,
            )
        for hook in self.webhooks:
            url = _alone(hook.url_file) if hook.url_file else hook.url or ""
            if fault := _url_fault(url):
                raise StartRefused(f"{hook.url_file}: {fault}")
            yield Destination(
                name=hook.name,
                shape=hook.shape,
                url=url,
                token=_alone(hook.token_file) if hook.token_file else None,
                about=frozenset(hook.about),
                link=self.link,
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """Who is told, with the secrets that it takes."""

    name: str
    shape: Literal["grafana", "json", "slack"]
    url: str = field(repr=False)
    token: str | None = field(default=None, repr=False)
    about: frozenset[Topic] = frozenset({"boost"})
    tags: tuple[str, ...] = ()
    link: str | None = None


def contradictions(stated: object) -> Iterable[tuple[Place, str]]:
    """Faults of `notify:` that lie between its fields; `stated` is what the file says of it."""
    seen: set[str] = set()
    for kind in ("grafana", "webhooks"):
        entries = stated.get(kind) if isinstance(stated, dict) else None
        for index, entry in enumerate(entries if isinstance(entries, list) else ()):
            if not isinstance(entry, dict):
                continue
            place = ("notify", kind, index)
            name = entry.get("name", "grafana" if kind == "grafana" else None)
            if isinstance(name, str) and name in seen:
                yield (*place, "name"), f"name {show(name)} is taken by one above"
            elif isinstance(name, str):
                seen.add(name)
            given = [it for it in ("url", "url_file") if entry.get(it) is not None]
            if kind == "webhooks" and len(given) != 1:
                yield place, "give either url or url_file"


def _alone(path: str) -> str:
    """What a file holds, which is one word."""
    try:
        text = Path(path).read_text("ascii").strip()
    except OSError as error:
        raise StartRefused(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError:
        text = ""  # and nothing of it in the error
    if not (text.isprintable() and text and " " not in text):
        raise StartRefused(f"{path} must hold one token or address, and nothing else")
    return text
