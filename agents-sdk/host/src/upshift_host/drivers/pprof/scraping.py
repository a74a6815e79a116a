"""The driver of one target: a thread for each of its profiles, which asks in turn and rests."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from upshift_agent import Decision, Profile
from upshift_host.profiles.export import Exporter
from upshift_host.profiles.window import NS, Window
from upshift_host.said import log
from upshift_host.workload import Process

from ..errors import ProfilerFailed
from . import duty
from .duty import GO_HZ, PROFILE_S, Turn
from .reading import Read, read
from .target import Aborted, Address, Busy, Target

NAME = "pprof"
PROFILES: tuple[Profile, ...] = ("cpu", "heap")
#: Somebody else profiles the target for so long: another method may do better.
ALWAYS_BUSY_S = 120.0


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for, and the names of its two sample types."""

    path: str
    lasts_s: float
    counted: str
    weighed: str


ASKED: Mapping[Profile, Asked] = {
    "cpu": Asked(f"/profile?seconds={PROFILE_S}", PROFILE_S, "samples", "cpu"),
    "heap": Asked("/heap", 0.0, "inuse_objects", "inuse_space"),
}


class Asking:
    """Takes one profile of a target again and again. From any threads."""

    def __init__(self, profile: Profile, address: Address, took: Callable[[Read, float], None]):
        """took: what was read, and when it began, in Unix time."""
        self._asked = ASKED[profile]
        self._name = f"upshift-pprof-{profile}"
        self._target = Target(address)
        self._took = took
        self._news = threading.Condition()
        self._turn = Turn()
        self._why = ""
        self._thread: threading.Thread | None = None

    def set(self, each_s: float | None) -> None:
        """Take one each so many seconds from now on; None: none, and what is being taken ends."""
        with self._news:
            self._turn = duty.wanting(self._turn, each_s, time.monotonic())
            if each_s is None:
                self._target.abort()
            elif self._thread is None:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
            self._news.notify_all()

    def stands(self) -> tuple[Turn, str]:
        """Where it stands, and why it failed last."""
        with self._news:
            return self._turn, self._why

    def _run(self) -> None:
        while True:
            with self._news:
                now = time.monotonic()
                if self._turn.each_s is None:
                    self._thread = None
                    return
                if now < self._turn.at:
                    self._news.wait(self._turn.at - now)
                    continue
                self._turn = duty.began(self._turn, now)
                aborts = self._target.aborts
            self._ask(aborts)

    def _ask(self, aborts: int) -> None:
        began_s = time.time()
        asked = self._asked
        try:
            raw = self._target.get(asked.path, aborts, asked.lasts_s)
            self._took(read(raw, asked.counted, asked.weighed), began_s)
        except Aborted:
            return
        except Busy:
            with self._news:
                self._turn = duty.busy(self._turn, time.monotonic())
        except (ProfilerFailed, ValueError) as error:
            self._failed(str(error))
        except Exception as error:  # noqa: BLE001  # a fault of ours must not end the thread
            log.exception("%s: nobody expected this", self._name)
            self._failed(str(error))
        else:
            with self._news:
                self._turn = duty.took(self._turn, time.monotonic())

    def _failed(self, why: str) -> None:
        with self._news:
            self._turn, self._why = duty.failed(self._turn, time.monotonic()), why


class PprofDriver:
    """An `upshift_agent.Driver`, as `drivers.kinds.Attached` says. It knows no processes."""

    name = NAME
    profiles = PROFILES

    def __init__(self, address: Address, attributes: Mapping[str, str], exporter: Exporter) -> None:
        """Asks nothing yet."""
        self._attributes = attributes
        self._exporter = exporter
        self._hz: Mapping[Profile, int] = {}
        self._cpu = Asking("cpu", address, self._took_cpu)
        self._heap = Asking("heap", address, self._took_heap)

    def apply(self, decisions: Mapping[Profile, Decision]) -> Mapping[Profile, float] | None:
        """Ask this often from now on; what is off is not asked for any more. Never waits."""
        self._hz = {profile: decisions[profile].hz for profile in PROFILES}
        self._cpu.set(duty.cpu_each_s(self._hz["cpu"]))
        self._heap.set(duty.heap_each_s(self._hz["heap"]))
        return self.achieved()

    def close(self) -> None:
        self._hz = {}
        self._cpu.set(None)
        self._heap.set(None)

    def achieved(self) -> Mapping[Profile, float]:
        """cpu: samples a second of all the time, of which a part is seen at 100 Hz."""
        found: dict[Profile, float] = {}
        cpu, _ = self._cpu.stands()
        if cpu.failures or cpu.busy_since is not None:
            found["cpu"] = 0.0
        else:
            found["cpu"] = GO_HZ * duty.part(cpu.each_s)
        return found

    def trouble(self) -> tuple[int, str] | None:
        for asking in (self._cpu, self._heap):
            turn, why = asking.stands()
            if turn.failures:
                return turn.failures, why
            if turn.busy_since is not None and time.monotonic() > turn.busy_since + ALWAYS_BUSY_S:
                return 3, "somebody else takes profiles of it all the time"
        return None

    def says(self) -> str:
        turn, _ = self._cpu.stands()
        if turn.busy_since is not None:
            return "waits for somebody else's profile"
        return f"{duty.part(turn.each_s):.0%} of the time at {GO_HZ} Hz" if turn.each_s else ""

    def processes(self, processes: tuple[Process, ...]) -> None:
        """It asks an address, whoever answers there."""

    def _took_cpu(self, found: Read, began_s: float) -> None:
        if found.counts:
            hz = max(1, round(NS / found.period_ns)) if found.period_ns > 0 else GO_HZ
            said_s = found.duration_ns / NS
            lasted_s = said_s if 0 < said_s < 2 * PROFILE_S else PROFILE_S
            self._send("cpu", hz, began_s, began_s + lasted_s, found)

    def _took_heap(self, found: Read, began_s: float) -> None:
        an_hour = self._hz.get("heap", 0)
        if found.weights and an_hour:
            self._send("heap", an_hour, began_s, began_s + 1.0, found)

    def _send(self, profile: Profile, hz: int, began_s: float, ended_s: float, found: Read) -> None:
        self._exporter.send(
            Window(
                attributes=self._attributes,
                profile=profile,
                profiler=NAME,
                hz=hz,
                began_s=began_s,
                ended_s=ended_s,
                samples={it: count for it, count in found.counts.items() if count > 0},
                weights=None
                if profile == "cpu"
                else {it: weight for it, weight in found.weights.items() if weight > 0},
            )
        )
