"""A lease that no live agent of its target can follow is granted all the same, and said to be."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rules.world import HIGH_CPU, World, override
from upshift_agent.contract import Kind
from upshift_rules.leases.state import TargetState

HOME = {"service.name": "checkout"}
WALL = replace(HIGH_CPU, profile="wall")
NOBODY = "; no agent of service/checkout can raise wall"


def test_what_no_live_agent_can_raise_is_granted_and_outcome_and_history_say_so() -> None:
    world = World(agents=[HOME], rule=WALL)
    outcome = world.fires()
    assert (outcome.outcome, outcome.reason) == ("granted", f"wall 100 Hz for 10m{NOBODY}")
    assert world.history[-1].reason.endswith(f"alert HighCPU{NOBODY}")
    assert [it.profile for it in world.boosts] == ["wall"]


@pytest.mark.parametrize("kind", ["boost", "pin"])
def test_an_override_that_reaches_nobody_says_so_too(kind: Kind) -> None:
    world = World(agents=[HOME])
    assert world.told(override(kind, 49, "wall")).reason == f"{kind} wall 49 Hz for 1h{NOBODY}"
    assert world.history[-1].reason == f"{kind}/1: by ann{NOBODY}"


def test_where_one_agent_can_or_nobody_lives_nothing_is_said() -> None:
    for agents, able in (([HOME], ("cpu", "wall")), ([], ("cpu",)), (None, ("cpu",))):
        world = World(agents=agents, able=able, rule=WALL)
        assert world.fires().reason == "wall 100 Hz for 10m"
        assert world.told(override("boost", 49, "wall")).reason == "boost wall 49 Hz for 1h"


def test_a_cap_binds_whether_or_not_anybody_can_raise_it() -> None:
    world = World(agents=[HOME])
    assert world.told(override("cap", 0, "wall")).reason == "cap wall 0 Hz for 1h"


def test_of_the_fleet_it_is_said_in_words() -> None:
    world = World(state=TargetState(target="fleet"), agents=[HOME])
    said = world.told(override("boost", 4, "heap")).reason
    assert said == "boost heap 4 an hour for 1h; no agent of the fleet can raise heap"


def test_what_is_left_out_of_a_scope_is_said_before() -> None:
    where = {"k8s.cluster.name": "eu-1"}
    world = World(agents=[HOME], rule=WALL, where=where, soft=tuple(where))
    said = world.fires().reason
    assert said.endswith(f"k8s.cluster.name 'eu-1', which no live agent reports{NOBODY}")
