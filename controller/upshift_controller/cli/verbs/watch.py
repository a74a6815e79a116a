"""`upshift watch`: leases, agents and the last events, live; through a controller's restart too."""

from __future__ import annotations

import time
from collections.abc import Iterator

from ..client import Client, Json
from ..errors import Failed
from ..options import DEFAULT_URL, AsJson, CaFile, TokenFile, Url
from ..screen import show

_POLL_S = 1.0
#: Rows of events on the screen.
_EVENTS = 6
#: Entries that one poll looks at.
_LOOK_BACK = 200


def watch(
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
    token_file: TokenFile = None,
    ca_file: CaFile = None,
) -> None:
    """Show leases, agents and events as they change. Ctrl-C ends it.

    Into a pipe, and with --json, it prints each change as a line.
    """
    client = Client(url, token_file, ca_file, exact=as_json, timeout_s=5.0)
    if as_json or not show.console().is_terminal:
        _lines(client, as_json=as_json)
    else:
        _screen(client)


def _screen(client: Client) -> None:
    from rich.live import Live

    from ..screen.frame import Frame

    out = show.console()
    frame = Frame(client.url)
    frame.news(_look(client), time.monotonic())
    with Live(console=out, screen=True, auto_refresh=False) as live:
        while True:
            live.update(frame.draw(out, time.monotonic()), refresh=True)
            time.sleep(_POLL_S)
            try:
                frame.news(_look(client), time.monotonic())
            except Failed as error:
                frame.problem = str(error).splitlines()[0]


def _look(client: Client) -> Json:
    return client.get("leases") | client.get("agents") | client.get("history", limit=_EVENTS)


def _lines(client: Client, *, as_json: bool) -> None:
    out = show.console()
    for entry in _changes(client):
        if as_json:
            show.answer(entry, pretty=False)
        else:
            table = show.history([entry])
            table.show_header = False
            out.print(table)


def _changes(client: Client) -> Iterator[Json]:
    """Every change from now on, the oldest first."""
    seen = {_key(entry) for entry in client.get("history", limit=_LOOK_BACK)["entries"]}
    away = False
    while True:
        time.sleep(_POLL_S)
        try:
            entries = client.get("history", limit=_LOOK_BACK)["entries"]
        except Failed as error:
            if not away:
                show.console(stderr=True).print(f"{error}\nTrying on.", soft_wrap=True)
            away = True
            continue
        away = False
        yield from (entry for entry in reversed(entries) if _key(entry) not in seen)
        seen = {_key(entry) for entry in entries}


def _key(entry: Json) -> tuple[object, ...]:
    return (entry["target"], entry["rev"], entry["event"], (entry["lease"] or {}).get("id"))
