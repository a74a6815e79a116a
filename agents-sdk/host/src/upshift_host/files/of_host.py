"""All profilers of this host that are driven by a file."""

from __future__ import annotations

import time
from collections.abc import Mapping

from upshift_host.config import Configuration
from upshift_host.drivers.kinds import Kind
from upshift_host.workload import Workload

from .contents import Placed
from .driver import FileDriver, Shared
from .keeper import Keeper
from .setup import Setup


class Files:
    """What `files:` of a configuration names. Making it touches nothing."""

    def __init__(self, configuration: Configuration) -> None:
        document = configuration.document
        rest = document.baseline
        if document.max_frequency is not None:
            rest = min(rest, document.max_frequency)
        self.shared = tuple(Shared(Keeper(Setup(entry, rest))) for entry in document.files)

    def before(self, kinds: Mapping[str, Kind]) -> dict[str, Kind]:
        """A kind of driver for each, before those that run a profiler themselves."""
        ours = {shared.keeper.setup.name: _kind(shared) for shared in self.shared}
        return ours | {name: kind for name, kind in kinds.items() if name not in ours}

    def start(self) -> None:
        """Bring every file to the baseline, and keep it."""
        for shared in self.shared:
            shared.keeper.start()

    def close(self, timeout_s: float) -> list[str]:
        """Leave every file at the baseline. Return what could not be done, a sentence each.

        All are written at once; their profilers are waited for, for `timeout_s` all together.
        """
        for shared in self.shared:
            shared.keeper.want(shared.keeper.setup.rest)
        deadline = time.monotonic() + timeout_s
        failures = []
        for shared in self.shared:
            why = shared.keeper.close(max(0.0, deadline - time.monotonic()))
            if why is not None:
                failures.append(f"{shared.keeper.setup.name}: {why}")
        return failures

    def restore(self, timeout_s: float) -> list[str]:
        """Bring the files that there are to the baseline, once. Return as `close` does."""
        self.shared = tuple(it for it in self.shared if it.keeper.setup.path.exists())
        self.start()
        return self.close(timeout_s)


def _kind(shared: Shared) -> Kind:
    setup = shared.keeper.setup

    def why_not(workload: Workload) -> str | None:
        if not setup.is_for(workload):
            return "it is for other workloads, by its select"
        if isinstance(setup.contents, Placed) and not setup.path.exists():
            return f"{setup.path} is not there"
        return shared.keeper.why_not()

    return Kind(
        name=setup.name,
        method=setup.method,
        profiles=(setup.profile,),
        languages=setup.languages,
        why_not=why_not,
        make=lambda workload, _: FileDriver(shared, workload),
    )
