"""Whose doing a lease is, and why: `because` on the wire."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Cause:
    """Who asked for a lease, or for its end: a rule (`of_rule`), else an operator (`of_operator`),
    or a schedule in the place of one (`of_schedule`).

    Its rule is a lease's identity: which boost of the target it is, and in whose room it counts.
    All else explains, and decides nothing.

    `said` is the JSON as it stands, so that who writes a lease again loses nothing that another
    version has said. Fields in its place would make a lease take half as long again to be read.
    """

    said: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of_rule(cls, rule: str, *, alertname: str, fingerprint: str) -> Cause:
        """A rule's, for the sake of an alert."""
        return cls({"rule": rule, "alertname": alertname, "fingerprint": fingerprint})

    @classmethod
    def of_rollout(cls, rule: str, *, version: str, fingerprint: str) -> Cause:
        """A rule's, for the sake of a service's new version. `reason` is for agents' words."""
        said = {"rule": rule, "rollout": version, "fingerprint": fingerprint}
        return cls(said | {"reason": f"rollout of {version}"})

    @classmethod
    def of_operator(cls, by: str, *, via: str = "", reason: str = "") -> Cause:
        """Of somebody called `by`; `via`: which way they took, if not the API."""
        said = {"by": by, "via": via, "reason": reason}
        return cls({name: text for name, text in said.items() if text})

    @classmethod
    def of_schedule(cls, name: str) -> Cause:
        """Of the schedule with this name."""
        return cls({"schedule": name})

    @property
    def origin(self) -> Literal["rule", "rollout", "operator"]:
        if self.rule is None:
            return "operator"
        return "rule" if self._text("rollout") is None else "rollout"

    @property
    def rule(self) -> str | None:
        return self._text("rule")

    @property
    def schedule(self) -> str | None:
        return self._text("schedule")

    @property
    def by(self) -> str | None:
        return self._text("by")

    @property
    def via(self) -> str | None:
        return self._text("via")

    def _text(self, name: str) -> str | None:
        text = self.said.get(name)
        return text if isinstance(text, str) else None

    def __str__(self) -> str:
        """In words, such as `alert HighCPU` or `rollback, by ann`; of any length."""
        # Text and numbers only: what is nested, or an object, may be endless or fail to be shown.
        why = {
            key: str(value)
            for key, value in self.said.items()
            if type(value) in (str, int) and value
        }
        return ", ".join(words + why[name] for name, words in _IN_WORDS.items() if name in why)


#: In this order, and what is put before each.
_IN_WORDS = {
    "alertname": "alert ",
    "schedule": "schedule ",
    "reason": "",
    "by": "by ",
    "via": "via ",
}
