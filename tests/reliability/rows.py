"""Every fault that is injected, by the name that runs it alone."""

from __future__ import annotations

from servers import CLOCKS, NETWORKS

from .applications import forking, forks_and_exits
from .bad_input import api, connections, documents, webhooks
from .clocks import suspends, wall_clocks
from .controller.killed import all_killed, controller_killed
from .controller.lost_log import lost_log
from .controller.replicas import three_controllers
from .drivers import failing, hostile_drivers
from .drivers.changes import many_changes
from .floods import episodes, kill_switch, load, one_token
from .invariant import invariant
from .network import lossy, subscriptions
from .redis import failovers, outages
from .redis.poisoned import poisoned_redis
from .redis.slow_disk import slow_disk
from .redis.valkey_killed import own_valkey_killed
from .sources.blocked import webhook_blocked
from .sources.together import sources_attacked
from .table import Fault

#: These mostly wait, and run side by side.
WAITING: dict[str, Fault] = {
    "invariant": invariant,
    "controller-killed": controller_killed,
    "all-killed": all_killed,
    "redis-restarted": outages.restarted,
    "redis-frozen": outages.frozen,
    "redis-slow": slow_disk,
    "redis-emptied": outages.emptied,
    "redis-older": outages.older_snapshot,
    "subscriptions-cut": subscriptions.subscriptions_cut,
    "buffers-overrun": subscriptions.buffers_overrun,
    "network-cut": subscriptions.network_cut,
    "messages-dropped": subscriptions.messages_dropped,
    "network-lossy": lossy.lossy,
    "network-one-way": lossy.one_way,
    "three-controllers": three_controllers,
    "webhook-blocked": webhook_blocked,
    "sources-attacked": sources_attacked,
    "sentinel-killed": failovers.sentinel_killed,
    "sentinel-frozen": failovers.sentinel_frozen,
    "cluster-target": failovers.cluster_target,
    "cluster-due": failovers.cluster_due,
    "agents-clock": wall_clocks.on_the_agent,
    "controllers-clock": wall_clocks.on_the_controller,
    "redis-clock": wall_clocks.on_redis,
    "agents-suspended": suspends.suspended,
    "agents-own-time": suspends.time_namespace,
    "driver-raises": failing.raising,
    "driver-hangs": failing.hanging,
    "driver-dawdles": failing.dawdling,
    "log-lost": lost_log,
    "own-valkey-killed": own_valkey_killed,
    "poisoned-redis": poisoned_redis,
    "driver-hostile": hostile_drivers.hostile,
    "prefork": forks_and_exits.prefork,
    "forks": forks_and_exits.forks,
    "exits": forks_and_exits.exits,
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
    "webhook-blocked": _ALERTMANAGER,
    "sources-attacked": _ALERTMANAGER,
    "network-lossy": ("ip", NETWORKS),
    "network-one-way": ("ip", NETWORKS),
    "agents-clock": ("cc",),
    "controllers-clock": ("cc",),
    "redis-clock": ("cc", "redis-server"),
    "agents-suspended": ("cc", "redis-server"),
    "agents-own-time": ("unshare", CLOCKS),
}
