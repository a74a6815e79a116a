"""The way from a change to its commit, built once: servers, store, limits, committer, leasing.

A controller has more around it (`app`); `upshift … --direct` has nothing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from upshift_agent.contract import Keys

from .configuration import InForce
from .leasing.committer import Committed, Committer
from .leasing.guarding.only_if import OnlyIf
from .leasing.limiter import Limiter
from .leasing.limiting.books import Books
from .leasing.newcomers import Newcomers
from .leasing.overrides import Overrides
from .leasing.triggers import Triggers
from .leasing.upkeep import Upkeep
from .runtime.supervised import supervised
from .sources.prometheus.asker import Asker
from .storage.budgets import RedisBudgets
from .storage.connect import Servers
from .storage.reports.records import Records
from .storage.store import Store
from .storage.unreadable import Unreadable


def _nothing(_: object) -> None:
    pass


class Core:
    """What every change takes. The callbacks are those of `Committer`, `supervised` and `Asker`.

    starts_afresh: see `Store`. Raise `StartRefused` for a URL that cannot be used.
    """

    def __init__(
        self,
        in_force: InForce,
        redis_url: str,
        unreadable: Unreadable,
        *,
        starts_afresh: bool = True,
        committed: Callable[[Committed], None] = _nothing,
        conflicted: Callable[[int], None] = _nothing,
        took: Callable[[float], None] = _nothing,
        restarted: Callable[[str], None] = _nothing,
        answered: Callable[[bool | None], None] = _nothing,
    ) -> None:
        settings = in_force.now.settings
        self.keys = keys = Keys(settings.namespace)
        self._servers = servers = Servers(redis_url)
        self._restarted = restarted
        self.store = Store(
            servers,
            keys,
            secrets=in_force.secrets,
            history_length=settings.history_length,
            unreadable=unreadable,
            starts_afresh=starts_afresh,
        )
        books = Books(
            RedisBudgets(servers, keys, unreadable),
            Records(servers, keys, unreadable),
            baseline=in_force.baseline,
            limits=in_force.limits,
        )
        self.limiter = Limiter(books)
        self.committer = Committer(
            self.store,
            self.limiter,
            committed=committed,
            conflicted=conflicted,
            took=took,
        )
        newcomers = Newcomers(in_force.max_new_targets)
        self.asker = asker = Asker(in_force.prometheus, answered)
        self.triggers = Triggers(
            self.store, self.committer, in_force.rules, newcomers, OnlyIf(asker)
        )
        self.overrides = Overrides(self.store, self.committer, in_force.rules, asker)
        self.upkeep = Upkeep(self.store, self.committer, in_force.rules)

    @asynccontextmanager
    async def committing(self) -> AsyncIterator[None]:
        """Commit what is asked for, for as long as the context lasts."""
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._servers.aclose)
            stack.push_async_callback(self.limiter.books.aclose)
            stack.callback(self.asker.close)
            await stack.enter_async_context(
                supervised("committer", self.committer.run, self._restarted)
            )
            await stack.enter_async_context(
                supervised("budget", self.limiter.books.keep, self._restarted)
            )
            yield
