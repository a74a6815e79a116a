"""What agents see of a profiler that is driven by a file: one share of it each."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from upshift_agent import Decision, Profile
from upshift_agent.contract import canonical, node_of
from upshift_host.drivers.errors import ProfilerFailed
from upshift_host.workload import Process, Workload

from .keeper import Keeper
from .sharing import Share, shared_by, wanted

#: How long `apply` waits for the profiler to be told: an end that comes meanwhile waits as well.
APPLY_S = 0.8


class Shared:
    """One profiler, and all who share it. From any threads."""

    def __init__(self, keeper: Keeper) -> None:
        self.keeper = keeper
        self._books = threading.Lock()
        self._turn = threading.Lock()  # held while a file is written
        self._shares: dict[object, Share] = {}
        self._node: int | None = None

    def set(self, owner: object, share: Share | None) -> None:
        """None: it leaves."""
        with self._books:
            if share is None:
                self._shares.pop(owner, None)
            else:
                self._shares[owner] = share
        self._want()

    def set_node(self, hz: int) -> None:
        """What the node itself wants; it counts where no workload shares the profiler."""
        with self._books:
            self._node = hz
        self._want()

    def _want(self) -> None:
        """What is newest when its turn comes: the last to come finds all that was noted before."""
        with self._turn:
            with self._books:
                hz = wanted(self._shares.values(), self._node, self.keeper.setup.rest)
            self.keeper.want(hz)

    def in_words(self, owner: object) -> str:
        """Where it stands, and who shares it with this one. Waits for no file."""
        with self._books:
            mine = self._shares.get(owner)
            others = [share for one, share in self._shares.items() if one is not owner]
        said = [self.keeper.in_words(), shared_by(others, mine.hz if mine else 0)]
        return "; ".join(filter(None, said))

    @property
    def alone(self) -> bool:
        """Whether no workload shares it. Waits for no file."""
        with self._books:
            return not self._shares


class FileDriver:
    """An `upshift_agent.Driver` of one workload, as `drivers.kinds.Attached` says.

    `apply` returns at the latest after `APPLY_S`, whether the profiler has been told or not: what
    is in force then, `achieved` and `says` tell.
    """

    def __init__(self, shared: Shared, workload: Workload) -> None:
        """Starts nothing."""
        self._shared = shared
        self._keeper = shared.keeper
        self._service = workload.attributes["service.name"]
        self._node = node_of(canonical(workload.attributes)) or ""
        self._hz = 0
        self.name = shared.keeper.setup.name
        self.profiles: tuple[Profile, ...] = (shared.keeper.setup.profile,)

    def apply(self, decisions: Mapping[Profile, Decision]) -> Mapping[Profile, float] | None:
        """Share in it at this frequency. Raise `ProfilerFailed`."""
        self._hz = decisions[self.profiles[0]].hz
        self._shared.set(self, Share(self._service, self._hz))
        self._keeper.wait(APPLY_S)
        if (trouble := self._keeper.trouble(self._hz)) is not None:
            raise ProfilerFailed(trouble[1])
        return self.achieved()

    def close(self) -> None:
        """Its share ends; the file goes on for the others, or back to the baseline."""
        self._shared.set(self, None)
        self._keeper.wait(APPLY_S)

    def achieved(self) -> Mapping[Profile, float]:
        """What the whole profiler runs at, whoever wants it so."""
        hz = self._keeper.reached()
        return {} if hz is None else {self.profiles[0]: hz}

    def trouble(self) -> tuple[int, str] | None:
        return self._keeper.trouble(self._hz)

    def says(self) -> str:
        """Whether it is written or in force, and who shares it; empty where there is nothing to
        say."""
        return self._shared.in_words(self)

    def shared(self) -> str:
        return f"{self._node}:{self._keeper.setup.path}"

    def processes(self, processes: tuple[Process, ...]) -> None:
        """It does not know processes."""
