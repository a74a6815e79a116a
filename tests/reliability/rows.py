"""Every fault that is injected, by the name that runs it alone."""

from __future__ import annotations

from servers import CLOCKS, NETWORKS

from . import (
    applications,
    drivers,
    episodes,
    failovers,
    forking,
    hostile_drivers,
    kill_switch,
    load,
    lossy,
    lost_log,
    network,
    one_token,
    poisoned,
    redis_faults,
    slow_disk,
    suspends,
    valkey_killed,
    wall_clocks,
)
from .bad_input import api, connections, documents, webhooks
from .changes import many_changes
from .invariant import invariant
from .killed import all_killed, controller_killed
from .replicas import three_controllers
from .table import Fault

#: These mostly wait, and run side by side.
WAITING: dict[str, Fault] = {
    "invariant": invariant,
    "controller-killed": controller_killed,
    "all-killed": all_killed,
    "redis-restarted": redis_faults.restarted,
    "redis-frozen": redis_faults.frozen,
    "redis-slow": slow_disk.slow_disk,
    "redis-emptied": redis_faults.emptied,
    "redis-older": redis_faults.older_snapshot,
    "subscriptions-cut": network.subscriptions_cut,
    "buffers-overrun": network.buffers_overrun,
    "network-cut": network.network_cut,
    "messages-dropped": network.messages_dropped,
    "network-lossy": lossy.lossy,
    "network-one-way": lossy.one_way,
    "three-controllers": three_controllers,
    "sentinel-killed": failovers.sentinel_killed,
    "sentinel-frozen": failovers.sentinel_frozen,
    "cluster-target": failovers.cluster_target,
    "cluster-due": failovers.cluster_due,
    "agents-clock": wall_clocks.on_the_agent,
    "controllers-clock": wall_clocks.on_the_controller,
    "redis-clock": wall_clocks.on_redis,
    "agents-suspended": suspends.suspended,
    "agents-own-time": suspends.time_namespace,
    "driver-raises": drivers.raising,
    "driver-hangs": drivers.hanging,
    "driver-dawdles": drivers.dawdling,
    "log-lost": lost_log.lost_log,
    "own-valkey-killed": valkey_killed.own_valkey_killed,
    "poisoned-redis": poisoned.poisoned_redis,
    "driver-hostile": hostile_drivers.hostile,
    "prefork": applications.prefork,
    "forks": applications.forks,
    "exits": applications.exits,
    "forks-importing": forking.importing,
}

#: These keep the machine busy, or measure how busy it is, and run alone.
BUSY: dict[str, Fault] = {
    "kill-switch-flooded": kill_switch.flooded,
    "one-token": one_token.one_token,
    "prefork-starts": forking.starts,
    "many-changes": many_changes,
    "episodes-storm": episodes.storm,
    "load-webhooks": load.webhooks,
    "load-statuses": load.statuses,
    "load-due": load.due_together,
    "bad-api": api.row,
    "bad-webhooks": webhooks.row,
    "bad-documents": documents.row,
    "bad-connections": connections.row,
}

FAULTS = WAITING | BUSY

_ALERTMANAGER = ("prometheus-alertmanager",)

#: Programs, of Debian's, that a row cannot do without.
NEEDS = {
    "redis-restarted": _ALERTMANAGER,
    "redis-frozen": _ALERTMANAGER,
    "redis-emptied": _ALERTMANAGER,
    "redis-older": _ALERTMANAGER,
    "three-controllers": _ALERTMANAGER,
    "network-lossy": ("ip", NETWORKS),
    "network-one-way": ("ip", NETWORKS),
    "agents-clock": ("cc",),
    "controllers-clock": ("cc",),
    "redis-clock": ("cc", "redis-server"),
    "agents-suspended": ("cc", "redis-server"),
    "agents-own-time": ("unshare", CLOCKS),
}
