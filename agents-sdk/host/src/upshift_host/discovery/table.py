"""The processes of this host as they come and go, read as seldom as will do.

A scan lists the pids, and reads what is new. A process may become another program (`exec`) without
any sign in the list, so each is looked at again: in every scan while it is young, which is when
programs are started, and later in its turn, one in `TURNS` at each scan.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from .facts import Facts, command_of, read_facts
from .procfs import Procfs

#: Seconds after which a process has most likely become what it will be.
YOUNG_S = 5.0
TURNS = 10
KTHREADD = 2  # the parent of the kernel's own threads


@dataclass(slots=True)
class _Known:
    number: int  # of the list: see `Procfs.pids`
    since: float
    facts: Facts | None


class ProcessTable:
    def __init__(self, procfs: Procfs) -> None:
        self._procfs = procfs
        self._known: dict[int, _Known] = {}
        self._young: set[int] = set()
        self._scans = 0
        #: By pid; of those that have ended nothing is kept.
        self.facts: Mapping[int, Facts] = {}

    def younger(self, age_s: float, now: float) -> frozenset[int]:
        """Those that have been the program that they are for less than `age_s`, at most `YOUNG_S`
        seconds."""
        return frozenset(it for it in self._young if now - self._known[it].since < age_s)

    def scan(self, now: float, watched: Collection[int] = ()) -> bool:
        """Read what is new. Return whether `facts` has changed.

        now: monotonic seconds. watched: pids whose end must be seen at once, zombies included.
        """
        self._scans += 1
        pids = self._procfs.pids()
        changed = False
        for pid in self._known.keys() - pids.keys():
            changed |= self._known.pop(pid).facts is not None
        self._young = {
            pid
            for pid in self._young
            if pid in self._known and now - self._known[pid].since < YOUNG_S
        }
        for pid, number in pids.items():
            known = self._known.get(pid)
            if known is None:
                facts = read_facts(self._procfs, pid)
                self._known[pid] = _Known(number, now, facts)
                self._young.add(pid)
                changed |= facts is not None
            elif known.number != number:
                known.number = number
                changed |= self._read_again(pid, known, now)
            elif pid in watched and self._has_ended(pid, known):
                known.facts, changed = None, True
            elif pid in self._young or (
                (pid + self._scans) % TURNS == 0 and not _is_of_kernel(known.facts)
            ):
                changed |= self._look_again(pid, known, now)
        if changed:
            self.facts = {
                pid: known.facts for pid, known in self._known.items() if known.facts is not None
            }
        return changed

    def _has_ended(self, pid: int, known: _Known) -> bool:
        """Of one that is in the list with the number that it had, so it is that process."""
        if self._procfs.exe(pid):  # which is quicker to ask
            return False
        stat = self._procfs.stat(pid)
        return known.facts is not None and (
            stat is None or stat.ended or stat.start_ticks != known.facts.process.start_ticks
        )

    def _look_again(self, pid: int, known: _Known, now: float) -> bool:
        """Whether it is another program by now, or has ended, or has another parent."""
        facts, stat = known.facts, self._procfs.stat(pid)
        if stat is None or stat.ended:
            known.facts = None
            return facts is not None
        same = (
            facts is not None
            and facts.parent == stat.parent
            and facts.process.start_ticks == stat.start_ticks
            and facts.exe == self._procfs.exe(pid)
            and facts.command == command_of(self._procfs, pid)
        )
        return not same and self._read_again(pid, known, now)

    def _read_again(self, pid: int, known: _Known, now: float) -> bool:
        former, known.facts = known.facts, read_facts(self._procfs, pid)
        if former == known.facts:
            return False
        if _image(former) != _image(known.facts):
            known.since = now
            self._young.add(pid)
        return True


def _is_of_kernel(facts: Facts | None) -> bool:
    """Whether it is one of the kernel's own threads, which become nothing else. Elsewhere than in
    the first of pid namespaces pid 2 may be anybody."""
    return facts is not None and facts.parent == KTHREADD and not facts.exe and not facts.command


def _image(facts: Facts | None) -> object:
    return facts and (facts.process, facts.exe, facts.command)
