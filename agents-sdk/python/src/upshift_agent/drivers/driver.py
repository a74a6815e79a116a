"""What a driver is: the one interface between Upshift and a profiler."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol

from ..contract.profiles import Profile
from ..contract.resolve import Decision


class Driver(Protocol):
    """Sets the frequency of one kind of profiler.

    Any object with these members is one; it need not inherit from this class. `identify`, `close`,
    `achieved`, `trouble` and `shared` may be left out, because most profilers have nothing to do
    there: then nothing is told, and at the end the baseline is applied.

    All but those last three are called by one thread, Upshift's own, one at a time, and may take
    their time: nothing else waits for them. In a forked child that thread is another one, and the
    object a copy of the parent's. Agents that share an object take turns, each from its start to
    its end.
    """

    @property
    def name(self) -> str:
        """Which profiler it is, for statuses: one line of at most 300 characters. It may change."""
        ...

    @property
    def profiles(self) -> Collection[Profile]:
        """What this profiler can raise, read once. `apply` is told of nothing else."""
        ...

    def identify(self, attributes: Mapping[str, str]) -> None:
        """Learn whose profiler it is, once in each process, before the first `apply`.

        attributes: the agent's OpenTelemetry Resource attributes, such as `service.name`.
        Whatever it raises counts as a failure of that `apply`, and both are tried again.
        """
        ...

    def apply(self, decisions: Mapping[Profile, Decision]) -> Mapping[Profile, float] | None:
        """Run each profile at its decision's `hz`, 0 for off, and return once that is so.

        All of `profiles` are there each time. What cannot run together is the driver's to settle,
        by a rule that it documents.
        Returns the frequencies that the profiler truly achieves, as far as it can tell: 0 of one
        that had to stand back, for instance.
        Whatever it raises is a refusal (a NACK): the controller is told why, and the newest
        decisions are applied again after 1 s, at last every 30 s.
        """
        ...

    def achieved(self) -> Mapping[Profile, float] | None:
        """Say again what is truly achieved, as known now; it replaces what `apply` has returned.

        Called for each status, by another thread than the rest, while `apply` may be at work. It
        must not wait.
        """
        ...

    def trouble(self) -> str | None:
        """Say why what `apply` has done does not hold any more; None while it does.

        Called as `achieved` is. The status is `failed` meanwhile, with this as its reason.
        """
        ...

    def shared(self) -> str | None:
        """Name the profiler, if agents of other workloads drive the same one: one line of at most
        300 characters, alike for all of them and for nobody else. None: it is this one's alone.

        Called as `achieved` is.
        """
        ...

    def close(self) -> None:
        """End the profiler, for good unless `apply` is called again: an agent can be started again.

        What it raises is logged, and nothing more.
        """
        ...
