"""Every fault that is injected, by the name that runs it alone."""

from __future__ import annotations

from . import redis_faults
from .killed import all_killed, controller_killed
from .table import Fault

FAULTS: dict[str, Fault] = {
    "controller-killed": controller_killed,
    "all-killed": all_killed,
    "redis-restarted": redis_faults.restarted,
    "redis-frozen": redis_faults.frozen,
    "redis-emptied": redis_faults.emptied,
    "redis-older": redis_faults.older_snapshot,
}
