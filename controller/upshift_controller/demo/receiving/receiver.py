"""A server that pyroscope-io can push to, and that counts what it gets.

pyroscope-io 1.4 posts `/push.v1.PusherService/Push` (Connect, `application/proto`, gzipped): series
of labels, each with pprofs. A pprof's one kind of value is cpu/nanoseconds: count × period. This
turns it back into counts, so that a claim about a frequency can be held against what was measured.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

from .pprof import MAX_BYTES, ProfileError, fields, message, read_pprof, text

PUSH = "/push.v1.PusherService/Push"
CPU = ("cpu", "nanoseconds")


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One window of one process's CPU profile.

    app: its application name (the label `service_name`); labels: all of them.
    from_s, until_s: the window, in Unix seconds.
    period_ns: CPU time that one sample stands for; samples: their count.
    one_period: whether every stack is a whole number of periods; if not, rates were mixed.
    """

    app: str
    labels: Mapping[str, str]
    from_s: float
    until_s: float
    period_ns: int
    samples: int
    one_period: bool

    @property
    def hz(self) -> float:
        """The frequency that the profile claims."""
        return 1e9 / self.period_ns


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """What was measured: samples in so many seconds of windows, and of CPU where that is known."""

    samples: int
    seconds: float
    cpu_seconds: float | None = None

    @property
    def per_second(self) -> float | None:
        return self.samples / self.seconds if self.seconds else None

    @property
    def per_cpu_second(self) -> float | None:
        return self.samples / self.cpu_seconds if self.cpu_seconds else None

    @property
    def uncertainty(self) -> float | None:
        """One standard deviation, as a share of the rate: 0.05 for 400 samples.

        pyroscope-io (py-spy) draws the pauses between samples from an exponential distribution,
        lest it beats in time with the program; the count of a span is then Poisson's.
        """
        return self.samples**-0.5 if self.samples else None


@dataclass(slots=True)
class Receiver:
    """Every CPU profile that was pushed, in order of arrival."""

    profiles: list[Profile] = field(default_factory=list)

    def app(self) -> web.Application:
        app = web.Application(client_max_size=MAX_BYTES)
        app.router.add_post(PUSH, self._push)
        return app

    def of(self, app: str, **labels: str) -> list[Profile]:
        """The profiles of one application, with these labels."""
        return [
            profile
            for profile in self.profiles
            if profile.app == app and labels.items() <= profile.labels.items()
        ]

    async def _push(self, request: web.Request) -> web.Response:
        try:
            self.profiles += list(read_push(await request.read()))
        except ProfileError as error:
            raise web.HTTPBadRequest(text=f"not a push of profiles: {error}") from error
        return web.Response(content_type="application/proto")


@asynccontextmanager
async def listening(
    receiver: Receiver, *, host: str = "127.0.0.1", port: int = 0
) -> AsyncIterator[str]:
    """Serve `receiver`; yield its URL. Port 0: any free one."""
    runner = web.AppRunner(receiver.app(), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        yield f"http://{host}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def read_push(body: bytes) -> Iterator[Profile]:
    """The CPU profiles of a PushRequest; other kinds are passed over. Raise `ProfileError`."""
    for number, series in fields(body):
        if number != 1:
            continue
        labels: dict[str, str] = {}
        raw: list[bytes] = []
        for key, value in fields(message(series)):
            if key == 1:
                pair = dict(fields(message(value)))
                labels[text(pair.get(1, b""))] = text(pair.get(2, b""))
            elif key == 2:
                raw += [message(packed) for name, packed in fields(message(value)) if name == 1]
        for data in raw:
            profile = _profile(labels, data)
            if profile is not None:
                yield profile


def _profile(labels: Mapping[str, str], data: bytes) -> Profile | None:
    pprof = read_pprof(data)
    values = pprof.values.get(CPU)
    if values is None:
        return None
    if pprof.period <= 0:
        raise ProfileError(f"a CPU profile's period must be above 0 ns, got {pprof.period}")
    return Profile(
        app=labels.get("service_name", ""),
        labels=labels,
        from_s=pprof.time_ns / 1e9,
        until_s=(pprof.time_ns + pprof.duration_ns) / 1e9,
        period_ns=pprof.period,
        samples=sum(values) // pprof.period,
        one_period=all(value % pprof.period == 0 for value in values),
    )


def measure(
    profiles: Iterable[Profile],
    from_s: float,
    until_s: float,
    cpu: Callable[[float, float], float] | None = None,
) -> Rate:
    """Count the samples of the windows that lie wholly in a span of Unix seconds.

    cpu: the CPU seconds that the profiled threads spent between two moments. A profiler that
    samples by the wall clock also sees threads that wait for a CPU: on a machine with more work
    than cores, give it CPU time and that waiting together (/proc/PID/task/TID/schedstat has both).
    """
    windows = [
        profile for profile in profiles if from_s <= profile.from_s and profile.until_s <= until_s
    ]
    return Rate(
        samples=sum(window.samples for window in windows),
        seconds=sum(window.until_s - window.from_s for window in windows),
        cpu_seconds=None
        if cpu is None
        else sum(cpu(window.from_s, window.until_s) for window in windows),
    )
