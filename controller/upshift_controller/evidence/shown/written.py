"""A report as Markdown and as a page of its own. Whatever a profile says is text, never markup."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Any

from upshift_rules.durations import format_duration

from .flame import flame

Json = Mapping[str, Any]
Table = tuple[Sequence[str], Sequence[Sequence[str]]]

STYLE = """
:root{color-scheme:light dark}
body{font:15px/1.5 system-ui,sans-serif;max-width:76rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse;margin:.5rem 0 1.5rem;width:100%}
th,td{text-align:right;padding:.2rem .6rem;border-bottom:1px solid #8884}
th:first-child,td:first-child{text-align:left;font-family:ui-monospace,monospace;word-break:break-all}
.none{color:#777}
"""


def headline(report: Json) -> str:
    """The answer in one sentence."""
    if report["problem"]:
        return f"Nothing can be compared: {report['problem']}."
    own = [change for change in report["changes"] if change["kind"] == "self"]
    changes = own or report["changes"]
    if not changes:
        return f"No function changed significantly, of {report['asked'] // 2 or 1:,} compared."
    first = changes[0]
    grew = "more" if first["difference"] > 0 else "less"
    others = len({change["function"] for change in report["changes"]}) - 1
    more = f", and {others} more changed" if others > 0 else ""
    return (
        f"{first['function']} takes {grew}: {_share(first['before'])} before,"
        f" {_share(first['now'])} now{more}."
    )


def facts(report: Json) -> list[tuple[str, str]]:
    """What was compared with what."""
    return [
        ("window", _side(report["window"], report["requested_hz"])),
        ("before", _side(report["before"], None)),
    ]


def changes(report: Json) -> Table:
    rows = [
        (
            change["function"],
            change["kind"],
            _share(change["before"]),
            _share(change["now"]),
            f"{change['difference']:+.1%} ± {change['half_width']:.1%}",
        )
        for change in report["changes"]
    ]
    return ("function", "of", "before", "now", "change"), rows


def tops(report: Json, kind: str) -> Table:
    rows = [
        (row["function"], f"{row['before']:.1%}", f"{row['now']:.1%}")
        for row in report["top"][kind]
    ]
    return (f"function, {kind}", "before", "now"), rows


def markdown(report: Json) -> str:
    return "\n".join(_markdown(report)) + "\n"


def _markdown(report: Json) -> Iterator[str]:
    yield f"# {_code(report['target'])}, {report['profile']}: {_code(report['lease'])}"
    yield f"\n{_said(headline(report))}\n"
    for name, said in facts(report):
        yield f"- {name}: {said}"
    if report["advice"]:
        yield f"\n{_said(report['advice'])}"
    for title, table in _tables(report):
        yield f"\n## {title}\n"
        head, rows = table
        yield f"| {' | '.join(head)} |"
        yield f"|{'---|' * len(head)}"
        for row in rows:
            yield f"| {_code(row[0])} | {' | '.join(row[1:])} |"


def page(report: Json) -> str:
    """HTML that needs nothing from anywhere."""
    title = f"{report['target']}: {report['lease']}"
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport"'
        ' content="width=device-width"><meta http-equiv="Content-Security-Policy" content="default'
        "-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>"
        f"<h1>{escape(title)}</h1><p><strong>{escape(headline(report))}</strong></p><ul>"
    ]
    parts += [f"<li>{name}: {escape(said)}</li>" for name, said in facts(report)]
    parts.append("</ul>")
    if report["advice"]:
        parts.append(f"<p>{escape(report['advice'])}</p>")
    parts.append(flame(report["tree"]))
    for title, (head, rows) in _tables(report):
        parts.append(f"<h2>{title}</h2><table><tr>")
        parts += [f"<th>{it}</th>" for it in head]
        parts.append("</tr>")
        for row in rows:
            parts.append("<tr>" + "".join(f"<td>{escape(it)}</td>" for it in row) + "</tr>")
        parts.append("</table>")
    parts.append("</body></html>\n")
    return "".join(parts)


def _tables(report: Json) -> Iterator[tuple[str, Table]]:
    if report["changes"]:
        yield "What changed", changes(report)
    if report["window"]["samples"]:
        yield "What takes most", tops(report, "self")
        yield "With all that it calls", tops(report, "total")


def _side(side: Json, asked_hz: int | None) -> str:
    length = format_duration((side["until_ms"] - side["from_ms"]) // 1000 * 1000)
    said = f"{length} from {_moment(side['from_ms'])}, {side['samples']:,} samples"
    if side["achieved_hz"] is not None:
        asked = f" of {asked_hz} Hz requested" if asked_hz is not None else " Hz"
        said += f", {side['achieved_hz']:g}{asked}"
    return said


def _moment(ms: int) -> str:
    return datetime.fromtimestamp(ms // 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _share(share: Json) -> str:
    return f"{share['share']:.1%} ± {share['half_width']:.1%}"


def _code(text: str) -> str:
    """Text of a profile where Markdown is read: nothing in it ends the cell, or is a link."""
    return "`" + _plain(text).replace("`", "'").replace("|", "\\|") + "`"


def _said(text: str) -> str:
    """A sentence with names of a profile in it: what Markdown obeys is escaped."""
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", _plain(text))


def _plain(text: str) -> str:
    return "".join(it if it.isprintable() else " " for it in text)
