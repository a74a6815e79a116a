"""What `commit.lua` is handed: a write → its keys and arguments. No I/O here."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from redis.asyncio.client import Pipeline

from upshift_agent.contract import Keys, encode_plan, is_sharded
from upshift_rules.leases.state import TargetState, plan_of
from upshift_rules.leases.stored import encode_state
from upshift_rules.quick_json import dump

from ..leasing.ports import Write
from .batch import ANSWER_S, Batch
from .history import encode_entry
from .seal import seal

#: How long the history of a target is kept after its last entry, where agents report or an operator
#: made it, and the baseline.
RETENTION_MS = 30 * 24 * 60 * 60 * 1000
#: How long the rest is, after the last change and the last end: longer than a lease, so that who
#: was cut off still hears of a release, and longer than alerts are away from each other that are
#: repeated once a day (each repeat is written).
KEEP_MS = 26 * 60 * 60 * 1000

#: After this a commit is given up, so it must not be made either.
_VALID_US = int(ANSWER_S * 1_000_000)
#: In a cluster, whose servers have a clock each.
_NEVER_US = 2**53

_SCRIPT = Path(__file__).with_name("commit.lua").read_text()
_SHA = hashlib.sha1(_SCRIPT.encode(), usedforsecurity=False).hexdigest()


class _Arguments(NamedTuple):
    """The script's ARGV in its order, which says what each one means; entries of history follow."""

    expected: int | str
    state: str
    plan: str
    channel: str
    publish: str
    rev: int
    history_length: int
    keep_ms: int
    keep_history_ms: int
    from_us: int
    until_us: int
    target: str
    next_expiry_ms: int | str
    alone: str


def add(
    batch: Batch,
    write: Write,
    keys: Keys,
    secrets: Sequence[bytes],
    history_length: int,
    *,
    load: bool,
) -> None:
    """Add the commit of `write` to `batch`. `load`: for a server that does not know the script."""
    after, target = write.after, write.after.target
    plan = _message(write, secrets)
    entries = [encode_entry(entry, write.now_ms) for entry in write.entries]
    names = [keys.state(target), keys.plan(target), keys.history(target), keys.agents(target)]
    if not batch.sharded:
        names += [keys.due, keys.targets]
    next_ms = after.next_expiry_ms
    keep_ms = keep_for(after, write.now_ms)
    told_ms = RETENTION_MS if any(written.by is not None for written in write.entries) else keep_ms
    valid_us = (0, _NEVER_US) if batch.sharded else (write.now_us, write.now_us + _VALID_US)
    arguments = _Arguments(
        expected=write.before.rev or ("lost" if write.before.plan_rev else 0),
        state=seal(target, encode_state(after), secrets),
        plan=plan,
        channel=keys.changes(target),
        publish="SPUBLISH" if batch.sharded and is_sharded(target) else "PUBLISH",
        rev=after.rev,
        history_length=history_length,
        keep_ms=keep_ms,
        keep_history_ms=told_ms,
        from_us=valid_us[0],
        until_us=valid_us[1],
        target=target,
        next_expiry_ms="" if next_ms is None else next_ms,
        alone="alone" if write.alone else "",
    )
    _run(batch.on(names[0]), names, arguments, entries, load=load)


def push(write: Write, keys: Keys, secrets: Sequence[bytes]) -> tuple[str, str] | None:
    """Channel and message of what every server of a cluster relays; None where it does not."""
    target = write.after.target
    message = "" if is_sharded(target) else _message(write, secrets)
    return (keys.changes(target), message) if message else None


def _message(write: Write, secrets: Sequence[bytes]) -> str:
    """Its plan for the agents; "" where theirs has not changed."""
    if write.after.plan_rev == write.before.plan_rev:
        return ""
    secret = secrets[0] if secrets else None
    return encode_plan(plan_of(write.after, write.now_ms), secret, dump)


def keep_for(state: TargetState, now_ms: int) -> int:
    """How long a state and its plan are kept, in ms."""
    if state.baseline is not None:
        return RETENTION_MS
    ends_ms = [lease.expires_at_ms for lease in state.leases]
    ends_ms += [case.cooling_ms for case in state.cases.values()]
    return KEEP_MS + max(0, max(ends_ms, default=0) - now_ms)


def probe(batch: Batch, keys: Keys, *, load: bool) -> None:
    """Add a commit to `batch` that takes what every commit takes, on keys that nobody reads.

    They are in the slot of `due`, without which nothing can be committed.
    """
    prefix = f"{keys.due.removesuffix('due')}{{{keys.due}}}"
    parts = ["state", "plan", "history", "agents", *([] if batch.sharded else ["due", "targets"])]
    names = [f"{prefix}:probe-{part}" for part in parts]
    arguments = _Arguments(
        expected=0,
        state="probe",
        plan="probe",
        channel=f"{prefix}:changes",
        publish="SPUBLISH" if batch.sharded else "PUBLISH",
        rev=1,
        history_length=1,
        keep_ms=KEEP_MS,
        keep_history_ms=KEEP_MS,
        from_us=0,
        until_us=_NEVER_US,
        target="probe",
        next_expiry_ms="",
        alone="alone",
    )
    _run(batch.on(keys.due), names, arguments, ["{}"], load=load)


def _run(
    pipe: Pipeline,
    names: Sequence[str],
    arguments: _Arguments,
    entries: Sequence[str],
    *,
    load: bool,
) -> None:
    run, script = (pipe.eval, _SCRIPT) if load else (pipe.evalsha, _SHA)
    run(script, len(names), *names, *arguments, *entries)
