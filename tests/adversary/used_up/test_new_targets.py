"""One token makes so many targets and no more, and what nothing is left of is forgotten."""

from __future__ import annotations

from typing import Any

from controller.conftest import (
    Start,
    alert,
    outcomes,
)
from controller.limiting import override, report
from upshift_controller.leasing.newcomers import Newcomers
from upshift_controller.storage.commit_script import KEEP_MS

LIMITED = """
sampling:
  on_alert:
    - {trigger: high_cpu, frequency: 100, duration: 10m}
limits: {max_new_targets: 20, max_boosted_agents: unlimited}
"""


def about(*numbers: int) -> list[dict[str, Any]]:
    return [
        alert({"alertname": "HighCPU", "service_name": f"s{n}"}, fingerprint=f"{n}")
        for n in numbers
    ]


async def test_one_token_makes_so_many_targets_and_no_more(start: Start) -> None:
    async with start(LIMITED) as upshift:
        answer = await upshift.notify(*about(*range(30)))
        assert answer.body["counts"] == {"granted": 20, "refused": 10}
        refused = answer.body["alerts"][-1]["outcomes"][0]
        assert refused["refusal"] == {"limit": "max_new_targets", "value": 20, "used": 20}
        assert len(upshift.redis.keys("upshift:v1:{service/s*}:*")) == 3 * 20
        # Known ones go on, new ones that agents report to as well, and operators are not bound.
        (known,) = about(3)
        assert outcomes(await upshift.notify(known | {"fingerprint": "b"})) != ["refused"]
        report(upshift, "s29", 1)
        assert outcomes(await upshift.notify(*about(29))) == ["granted"]
        assert (await override(upshift, target="service/s28", hz=99)).status == 201
        assert outcomes(await upshift.notify(*about(28))) == ["granted"]
        assert outcomes(await upshift.notify(*about(27))) == ["refused"]


async def test_a_controller_that_starts_anew_counts_no_known_target_as_new(start: Start) -> None:
    for _ in range(3):
        async with start(LIMITED) as upshift:
            await upshift.notify(*[it | {"status": "resolved"} for it in about(*range(100, 200))])
            assert {*outcomes(await upshift.notify(*about(*range(15))))} <= {"granted", "repeat"}
            assert outcomes(await upshift.notify(*about(*range(15)))) == ["repeat"] * 15


def test_new_targets_are_counted_for_each_token_and_forgotten_within_the_hour() -> None:
    newcomers = Newcomers(lambda: 60)
    assert newcomers.take("a", 100, 0) == 60
    assert newcomers.take("a", 1, 0) == 0
    assert newcomers.take("b", 1, 0) == 1
    assert newcomers.take("a", 100, 30 * 60_000) == 30
    newcomers.give_back("a", 5, 30 * 60_000)
    assert newcomers.take("a", 100, 30 * 60_000) == 5
    assert newcomers.take("a", 100, 24 * 60 * 60_000) == 60


async def test_a_target_that_nothing_is_left_of_is_remembered_for_a_day_and_told_of_no_longer(
    start: Start,
) -> None:
    async with start(LIMITED) as upshift:
        await upshift.notify(*about(0, 1))
        report(upshift, "s1", 1)
        await override(upshift, target="service/s2", hz=99)
        kept = {
            key: upshift.redis.pttl(key)
            for key in upshift.redis.keys("upshift:v1:{service/s[01]}:*")
        }
        lease_ms = 10 * 60_000
        for key, left_ms in kept.items():
            if not key.endswith(":agents"):
                assert KEEP_MS - 60_000 < left_ms <= KEEP_MS + lease_ms
        assert upshift.redis.pttl("upshift:v1:{service/s2}:history") > KEEP_MS * 2
        old = dict.fromkeys(("service/s0", "service/s1", "service/gone"), 1_000_000)
        upshift.redis.zadd("upshift:v1:targets", old)
        upshift.controller.records._sweep_agents_at = 0
        await upshift.controller.records.sweep()
        # s0 has a lease, s1 an agent as well.
        assert "service/gone" not in upshift.redis.zrange("upshift:v1:targets", 0, -1)
