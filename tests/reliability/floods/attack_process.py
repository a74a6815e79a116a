"""Attacks by what is below an operator: those of a line of stdin, each again and again by a thread
of its own, until the next line; then it writes how often each status was answered, as JSON."""

import json
import sys
import threading
from collections import Counter
from collections.abc import Callable
from itertools import count

import redis
import requests

from upshift_agent.contract import MAX_LEASES, Keys

from ..parts.controllers import firing

#: Twice what a target takes.
AT_ONCE = 2 * MAX_LEASES
MIB = 2**20
_numbers = count(1)

Attack = Callable[[requests.Session], requests.Response | None]


def instances(alertname: str) -> list[dict[str, object]]:
    """Of as many instances and environments: each makes a lease, as long as there is room."""
    alerts = []
    for number in range(AT_ONCE):
        alert = firing(alertname)
        place = f"{number}".rjust(200, "x")
        alert["labels"] |= {"instance": place, "environment": place}
        alerts.append(alert)
    return alerts


def notification(*alerts: object) -> bytes:
    return json.dumps({"version": "4", "alerts": alerts}).encode()


def attacks(
    url: str, client: redis.Redis, open_streams: list[requests.Response]
) -> dict[str, Attack]:
    """`open_streams`: those that are to be closed when an attack is over."""
    headers = {"Content-Type": "application/json"}

    def posts(body: Callable[[], bytes]) -> Attack:
        webhook = f"{url}/api/v1/webhook/alertmanager"
        return lambda session: session.post(webhook, body(), headers=headers, timeout=30)

    def reads(path: str) -> Attack:
        return lambda session: session.get(f"{url}/api/v1/{path}", timeout=30)

    def garbage(_: requests.Session) -> None:
        """As an agent's Redis user may write it."""
        keys, rows = Keys(), {f"{number}": "{" * 1000 for number in range(100)}
        client.hset(keys.agents("service/checkout"), mapping=rows)
        client.zadd(keys.reporting, {f"service/nobody-{number}": 2**50 for number in range(100)})

    def new_targets() -> bytes:
        return notification(*[firing(service=f"new-{next(_numbers)}") for _ in range(AT_ONCE)])

    def texts() -> bytes:
        """As long as may be, and never the same again."""
        alerts = [firing() for _ in range(8)]
        for alert in alerts:
            large = f"{next(_numbers)}" * (MIB // 32)
            alert["labels"] |= {"alertname": large[: MIB // 8], "environment": large[: MIB // 8]}
            alert |= {"fingerprint": large[: MIB // 8], "startsAt": large[: MIB // 8]}
        return notification(*alerts)

    def group() -> bytes:
        return notification(*[firing() for _ in range(3_000)])

    def streams(session: requests.Session) -> requests.Response:
        answer = session.get(f"{url}/api/v1/events", stream=True, timeout=30)
        if answer.status_code == 200:
            open_streams.append(answer)
        return answer

    def filled(element: str) -> bytes:
        """4 MiB of it, which is what a body may have."""
        count = (4 * MIB - 100) // (len(element) + 1)
        return b'{"version":"4","alerts":[%s]}' % ",".join([element] * count).encode()

    ones, no_labels = filled("1"), filled('{"labels":{}}')
    nested = b'{"version":"4","alerts":' + b"[" * (4 * MIB - 100)
    many_labels = notification(
        firing() | {"labels": {f"label-{number}": "x" for number in range(150_000)}}
    )
    examples = json.dumps(
        [firing() | {"annotations": {"a": "x" * 30_000}} for _ in range(100)]
    ).encode()
    started = {"status": "firing", "startsAt": "2026-01-31T12:00:00Z"}
    labels = {"alertname": "HighCPU\n" * 100_000, "sampling_trigger": "high_cpu", "app": "checkout"}
    long_names = notification(started | {"labels": labels, "fingerprint": "f" * 1_000_000})
    leases = notification(*instances("HighCPU"), *instances("FleetCPU"))
    no_alerts = notification(*[1] * 20_000)
    return {
        "leases": posts(lambda: leases),
        "new-targets": posts(new_targets),
        "single-alerts": posts(lambda: notification(firing())),
        "long-names": posts(lambda: long_names),
        "no-alerts": posts(lambda: no_alerts),
        "ones": posts(lambda: ones),
        "no-labels": posts(lambda: no_labels),
        "nested": posts(lambda: nested),
        "many-labels": posts(lambda: many_labels),
        "texts": posts(texts),
        "group": posts(group),
        "explain": lambda session: session.post(
            f"{url}/api/v1/explain", examples, headers=headers, timeout=30
        ),
        "streams": streams,
        "targets": reads("targets"),
        "agents": reads("agents"),
        "history": reads("history?limit=1000"),
        "garbage": garbage,
    }


def main(url: str, redis_url: str) -> None:
    over = threading.Event()
    answers: Counter[str] = Counter()
    threads: list[threading.Thread] = []
    open_streams: list[requests.Response] = []

    def repeat(attack: Attack) -> None:
        with requests.Session() as session:
            while not over.is_set():
                try:
                    answer = attack(session)
                    answers[str(answer.status_code) if answer is not None else "written"] += 1
                except requests.RequestException as error:
                    answers[type(error).__name__] += 1

    with redis.Redis.from_url(redis_url) as client:
        known = attacks(url, client, open_streams)
        for line in sys.stdin:
            over.set()
            for thread in threads:
                thread.join(30)
            while open_streams:
                open_streams.pop().close()
            if threads:
                sys.stdout.write(json.dumps(answers) + "\n")
                sys.stdout.flush()
            over.clear()
            answers.clear()
            threads = [
                threading.Thread(target=repeat, args=(known[it],), daemon=True)
                for it in line.split()
            ]
            for thread in threads:
                thread.start()


if __name__ == "__main__":
    main(*sys.argv[1:])
