"""What the agent of a workload drives: the methods of `fallback_strategy`, one in place of another.

To the agent it is one driver. `fallback` decides which methods carry; here they are made, applied
and closed, one call at a time, under a lock that is held for as long as a driver takes. `look` and
`changed` are for the host agent's own thread, and never wait for it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from upshift_agent import Decision, Profile

from ..drivers.kinds import Kind
from ..errors import CannotProfile
from ..fallback import Choice, Method, Record, choose, failed, in_order, tried, worked
from ..profiles.export import Exporter
from ..said import describe, log
from ..workload import Workload
from .methods import Made, ask, way_of

#: How often the ways that do not run are asked again whether they could.
ASK_AGAIN_S = 300.0
#: How soon what failed without anybody's asking for it is tried again.
TRY_AGAIN_S = 5.0


def on_a_thread(work: Callable[[], None]) -> None:
    threading.Thread(target=work, name="upshift-carry", daemon=True).start()


class Carrier:
    """kinds: those that there are. priorities: of the methods that may be used. exporter: what
    drivers are handed. now: monotonic seconds. later: has work done without waiting for it."""

    def __init__(
        self,
        workload: Workload,
        kinds: Mapping[str, Kind],
        priorities: Mapping[Method, int],
        exporter: Exporter,
        now: Callable[[], float] = time.monotonic,
        later: Callable[[Callable[[], None]], None] = on_a_thread,
    ) -> None:
        self._later = later
        self._lock = threading.Lock()
        self._workload = workload
        self._kinds = {
            name: kind for name, kind in kinds.items() if workload.language in kind.languages
        }
        self._priorities = priorities
        self._exporter = exporter
        self._now = now
        self._records: dict[str, Record] = {}
        self._made: dict[str, Made] = {}
        self._carriers: Mapping[str, str] = {}
        self._wanted: Mapping[Profile, Decision] | None = None
        self._raises = False
        self._try_at = 0.0
        self._trouble: str | None = None
        self._news: Workload | None = None
        self._ask()

    @property
    def name(self) -> str:
        """Which methods run, or would where all is off, and why not those before them."""
        if self._wanted is not None and not self._raises:
            return choose(self._ways, self._records, self._now()).reason
        said = {name: ask(driver, "says") for name, driver in list(self._made.items())}
        return self.choice.reason_with(said)

    @property
    def profiles(self) -> tuple[Profile, ...]:
        """All that any method of the strategy could raise here."""
        raised = (self._kinds[way.name].profiles for way in self._ways)
        return tuple(dict.fromkeys(it for some in raised for it in some)) or ("cpu",)

    @property
    def choice(self) -> Choice:
        """Which method carries what is wanted at this moment, and why. Nobody runs for what is off;
        before anything is wanted, who would carry what."""
        wanted = self._wanted and {profile for profile, it in self._wanted.items() if it.hz}
        return choose(self._ways, self._records, self._now(), wanted)

    def apply(self, decisions: Mapping[Profile, Decision]) -> Mapping[Profile, float] | None:
        """Raise what a driver raised, or `CannotProfile` where nothing can raise what is wanted."""
        with self._lock:
            self._wanted = decisions
            self._raises = any(it.hz for it in decisions.values())
            self._take_news()
            self._trouble = None
            return self._carry(decisions)

    def close(self) -> None:
        with self._lock:
            self._wanted = None
            for name in list(self._made):
                self._end(name)

    def achieved(self) -> dict[Profile, float]:
        """Hz that the profilers have counted since, as far as they can tell."""
        found: dict[Profile, float] = {}
        carriers = self._carriers
        for name, driver in list(self._made.items()):
            said = ask(driver, "achieved") or {}
            found |= {profile: hz for profile, hz in said.items() if carriers.get(profile) == name}
        return found

    def trouble(self) -> str | None:
        """Why what `apply` was asked for is not done any more; None while it is."""
        return self._trouble

    def shared(self) -> str | None:
        """Names the profiler that does all of it, if workloads beside this one drive it too."""
        names = {ask(driver, "shared") for driver in list(self._made.values())}
        return names.pop() if len(names) == 1 else None

    def changed(self, workload: Workload) -> None:
        """Processes of the workload have come or gone. The next `look` sees to it."""
        self._news = workload
        self._try_at = 0.0

    def look(self) -> None:
        """Each second or so: see what has failed since, and who may have another turn."""
        if not self._lock.acquire(blocking=False):
            return  # a driver is busy
        try:
            now = self._now()
            if self._wanted is None:
                return
            for name in list(self._made):
                self._judge(name, now)
            if now >= self._ask_at:
                self._ask()
            late = self._trouble is not None or self._news is not None
            due = late or self._carriers != (self.choice.carriers if self._raises else {})
            if due and now >= self._try_at:
                self._in_the_background()
        finally:
            self._lock.release()

    def _in_the_background(self) -> None:
        """What a driver does may take its time."""
        self._try_at = self._now() + TRY_AGAIN_S
        self._later(self._try)

    def _try(self) -> None:
        with self._lock:
            if self._wanted is None:
                return
            self._take_news()
            try:
                self._carry(self._wanted)
                self._trouble = None
            except Exception as error:  # noqa: BLE001  # whatever a driver raises
                self._trouble = describe(error)

    def _judge(self, name: str, now: float) -> None:
        """What windows have failed since `apply` returned."""
        said = ask(self._made[name], "trouble")
        record = self._records.get(name, Record())
        if said is not None and not record.at_rest(now):
            times, why = said
            judged = failed(replace(record, failures=0), str(why), now, int(times))
            if judged.at_rest(now):
                self._records[name] = judged
                log.warning("%s gives way: %s", name, judged.why)

    def _ask(self) -> None:
        """Which ways there are. Those that run are not asked: how they do, shows."""
        self._ask_at = self._now() + ASK_AGAIN_S
        ways = [way_of(kind, self._workload) for kind in self._kinds.values()]
        self._ways = in_order(
            [replace(way, cannot=None) if way.name in self._made else way for way in ways],
            self._priorities,
        )

    def _take_news(self) -> None:
        """Tell the drivers which processes the workload has now."""
        if self._news is None:
            return
        self._workload, self._news = self._news, None
        for name, driver in list(self._made.items()):
            tell = getattr(driver, "processes", None)
            try:
                if tell is not None:
                    tell(self._workload.processes)
                    continue
            except Exception as error:  # noqa: BLE001  # then it is made anew
                log.warning("%s: %s", name, describe(error))
            self._end(name)

    def _carry(self, decisions: Mapping[Profile, Decision]) -> dict[Profile, float]:
        """Have `decisions` done by whoever carries them. One round more for each that gives way."""
        while True:
            choice, now = self.choice, self._now()
            self._carriers = choice.carriers
            for name in self._made.keys() - set(choice.carriers.values()):
                self._end(name)
            achieved: dict[Profile, float] = {}
            problem: Exception | None = None
            gave_way = False
            for name in dict.fromkeys(choice.carriers.values()):
                self._records[name] = record = tried(self._records.get(name, Record()), now)
                try:
                    achieved |= self._apply(name, choice, decisions)
                    self._records[name] = worked(record, now)
                except Exception as error:  # noqa: BLE001  # whatever a driver raises
                    self._records[name] = failed(record, describe(error), now)
                    gave_way |= self._records[name].at_rest(now)
                    problem = error
            if not gave_way:
                break
        if problem is not None:
            raise problem
        if choice.missing:
            why = "; ".join(f"{name}: {said}" for name, said in choice.reasons.items())
            raise CannotProfile(
                f"nothing here can raise {', '.join(sorted(choice.missing))}: "
                f"{why or 'no driver is for ' + self._workload.language}"
            )
        return achieved

    def _apply(
        self, name: str, choice: Choice, decisions: Mapping[Profile, Decision]
    ) -> Mapping[Profile, float]:
        """One driver's part; what another one carries is off."""
        kind = self._kinds[name]
        if name not in self._made:
            self._made[name] = kind.make(self._workload, self._exporter)
        part = {
            profile: decision if choice.carriers.get(profile) == name else replace(decision, hz=0)
            for profile, decision in decisions.items()
            if profile in kind.profiles
        }
        achieved = self._made[name].apply(part) or {}
        return {it: hz for it, hz in achieved.items() if choice.carriers.get(it) == name}

    def _end(self, name: str) -> None:
        try:
            self._made.pop(name).close()
        except Exception as error:  # noqa: BLE001  # nobody is left to be told but the log
            log.warning("%s cannot be closed: %s", name, describe(error))
