"""Attacks by what is below an operator, each again and again by a thread of its own, until stdin
ends; then it writes how often each status was answered, as JSON."""

import json
import sys
import threading
from collections import Counter
from collections.abc import Callable
from itertools import count

import redis
import requests

from upshift_agent.contract import MAX_LEASES, Keys

from .controllers import firing

#: Twice what a target takes.
AT_ONCE = 2 * MAX_LEASES
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


def attacks(url: str, client: redis.Redis) -> dict[str, Attack]:
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
        "targets": reads("targets"),
        "agents": reads("agents"),
        "history": reads("history?limit=1000"),
        "garbage": garbage,
    }


def main(url: str, redis_url: str, *names: str) -> None:
    over = threading.Event()
    answers: Counter[str] = Counter()

    def repeat(attack: Attack) -> None:
        with requests.Session() as session:
            while not over.is_set():
                try:
                    answer = attack(session)
                    answers[str(answer.status_code) if answer is not None else "written"] += 1
                except requests.RequestException as error:
                    answers[type(error).__name__] += 1

    with redis.Redis.from_url(redis_url) as client:
        known = attacks(url, client)
        threads = [threading.Thread(target=repeat, args=(known[it],), daemon=True) for it in names]
        for thread in threads:
            thread.start()
        sys.stdin.read()
        over.set()
        sys.stdout.write(json.dumps(answers))


if __name__ == "__main__":
    main(*sys.argv[1:])
