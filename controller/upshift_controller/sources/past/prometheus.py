"""What Prometheus remembers of alerts: its series `ALERTS`, as firings.

Prometheus is behind a port, `Queries`; `Connected` is the real one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

from upshift_agent.contract import one_line
from upshift_rules.trials.past import Firing, firings

from ...errors import PastUnreadable

FIRING = 'ALERTS{alertstate="firing"}'
#: Of `ALERTS` alone; an alert as Alertmanager knows it has neither.
_OWN_LABELS = frozenset({"__name__", "alertstate"})
#: As often as rules are evaluated, by default.
STEP_S = 60
#: One query's span: Prometheus gives at most 11,000 points of a series, and memory is finite.
CHUNK_S = 6 * 60 * 60
#: An alert that was away for no longer goes on: Prometheus was restarted, say, and Alertmanager
#: waits as long (`resolve_timeout`).
GAP_S = 5 * 60
#: Each query, from its sending to its answer. Prometheus gives up after 2 minutes by itself.
TIMEOUT_S = 120.0
#: Of a connection that fails.
MOST_RETRIES = 2
#: Characters of what it says that are shown.
MAX_SAID = 300

Series = Mapping[str, Any]


class Queries(Protocol):
    def range(self, query: str, start_s: int, end_s: int, step_s: int) -> Iterable[Series]:
        """Return the matrix of a range query: of each series its `metric`, and its `values`, which
        are pairs of Unix seconds and text. Raise `PastUnreadable`."""


def read_alerts(
    queries: Queries,
    start_s: int,
    end_s: int,
    step_s: int = STEP_S,
    seen: Callable[[float], object] = lambda _: None,
) -> list[Firing]:
    """Return the firings of a span of time. seen: is told how much of it is read, from 0 to 1."""
    start_s -= start_s % step_s  # the same moments, whenever this is asked
    moments: dict[tuple[tuple[str, str], ...], list[int]] = {}
    for chunk_s in range(start_s, end_s + 1, CHUNK_S):
        last_s = min(chunk_s + CHUNK_S - step_s, end_s)
        for series in queries.range(FIRING, chunk_s, last_s, step_s):
            labels, values = _read(series)
            moments.setdefault(labels, []).extend(values)
        seen((last_s - start_s) / max(1, end_s - start_s))
    found: list[Firing] = []
    for labels, several in moments.items():
        found += firings(
            dict(labels), several, step_s * 1000, max(GAP_S, 2 * step_s) * 1000, end_s * 1000
        )
    return found


def _read(series: Series) -> tuple[tuple[tuple[str, str], ...], Sequence[int]]:
    try:
        labels = {key: str(it) for key, it in series["metric"].items() if key not in _OWN_LABELS}
        return tuple(sorted(labels.items())), [
            round(float(at) * 1000) for at, _ in series["values"]
        ]
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise PastUnreadable(f"what answers is no Prometheus: {error!r}") from error


def public(url: str) -> str:
    """A URL that anybody may see: without user and password."""
    before, _, after = url.partition("://")
    return one_line(f"{before}://{after.rpartition('@')[2]}" if after else url, MAX_SAID)


class Connected:
    """A Prometheus, through its client, which waits: for commands, not for the event loop.

    url: may hold a user and a password. token: a bearer token.
    """

    def __init__(self, url: str, token: str | None = None) -> None:
        # Here: a tenth of a second, and nobody else needs them.
        from prometheus_api_client import PrometheusConnect
        from requests import Session

        class Bounded(Session):
            def request(self, *args: Any, **named: Any) -> Any:
                return super().request(*args, **{"timeout": TIMEOUT_S, **named})

        self._name = public(url)
        headers = {"Authorization": f"Bearer {token}"} if token else None
        self._client = PrometheusConnect(
            url.rstrip("/"), headers=headers, session=Bounded(), retry=MOST_RETRIES
        )

    def range(self, query: str, start_s: int, end_s: int, step_s: int) -> Iterable[Series]:
        from prometheus_api_client.exceptions import PrometheusApiClientException
        from requests import RequestException

        moments = (datetime.fromtimestamp(it, UTC) for it in (start_s, end_s))
        try:
            found = self._client.custom_query_range(query, *moments, step=f"{step_s}s")
        except (PrometheusApiClientException, RequestException, LookupError, ValueError) as error:
            why = one_line(str(error), MAX_SAID)
            raise PastUnreadable(f"Prometheus at {self._name}: {why}") from error
        return found if isinstance(found, list) else []
