"""A notice in words, as JSON, and in the shape of Slack. Pure.

Names in it come from anywhere, so each shape escapes what would be more than text there.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from upshift_agent.contract import shown
from upshift_rules.durations import format_duration

from .notices import Notice

#: Of `json`'s documents; it grows when a field changes its meaning.
VERSION = 1


def in_words(notice: Notice) -> str:
    """Such as `service/checkout: 97 Hz for 10m; boost high_cpu/3f9a: alert HighCPU`."""
    lease = notice.lease
    lasts_ms = max(0, (notice.at_ms if notice.has_ended else lease.expires_at_ms) - lease.since_ms)
    length = format_duration(lasts_ms // 1000 * 1000)
    if notice.topic == "kill_switch":
        what = f"profiling goes on, after {length}" if notice.has_ended else f"stopped for {length}"
    elif notice.event == "refused":
        what = f"no {shown(lease.profile, lease.hz)}"
    else:
        hz = shown(lease.profile, lease.hz)
        what = f"no longer {hz}, after {length}" if notice.has_ended else f"{hz} for {length}"
    return f"{notice.target}: {what}; {notice.reason}"


def link_to(notice: Notice, link: str | None) -> str | None:
    """The address that `notify.link` makes of a notice."""
    if link is None:
        return None
    target, lease = (quote(it, safe="/") for it in (notice.target, notice.lease.id))
    return link.replace("{target}", target).replace("{lease}", lease)


def as_json(notice: Notice, link: str | None) -> dict[str, Any]:
    """The document of a webhook in the shape `json`; the page of the controller describes it."""
    lease = notice.lease
    return {
        "version": VERSION,
        "id": notice.id,
        "about": notice.topic,
        "event": notice.event,
        "at_ms": notice.at_ms,
        "target": notice.target,
        "lease": lease.to_json(),
        "reason": notice.reason,
        "by": notice.by,
        "limit": notice.limit,
        "text": in_words(notice),
        "link": link_to(notice, link),
    }


def as_slack(notice: Notice, link: str | None) -> dict[str, Any]:
    """A message of Slack's incoming webhooks, which Mattermost and others take as well."""
    text = in_words(notice).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    address = link_to(notice, link)
    return {"text": f"{text} <{address}|look>" if address else text}
