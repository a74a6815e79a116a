"""Many questions to Prometheus, off the event loop: few at a time, and none waited for too long.

What waits for its turn is asked together (`answers.together`), so a lone question goes out at once
and alone, and a thousand go out as a few. A query that Prometheus refuses in company is looked for
by halves, and asked alone from then on.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog

from upshift_rules.guards.answer import Answer, unknown

from ...errors import BadQuery, NoAnswer
from ...runtime.threads import Threads
from ...sections.prometheus import Prometheus
from .answers import read_answer, read_answers, together
from .connected import LATE, PATIENCE_S, Connected

log = structlog.get_logger()

#: Questions under way at the same time.
MOST = 20
#: Queries that go out as one question, and their characters.
MOST_TOGETHER = 50
MAX_TOGETHER = 65_536
#: Queries that are known to fail in company.
MAX_ALONE = 1000

Ask = Callable[[str], Any]


@dataclass(eq=False, slots=True)
class _Question:
    query: str
    answer: asyncio.Future[Answer]
    few: bool
    until: float  # nobody waits for longer, of the loop's clock


class Asker:
    """Answers guards.

    where: returns whom to ask, None where nobody is set. heard: is told of each answer whether it
    is true. connect: makes what asks one Prometheus, from threads.
    """

    def __init__(
        self,
        where: Callable[[], Prometheus | None],
        heard: Callable[[bool | None], object] = lambda _: None,
        connect: Callable[[Prometheus], Ask] = lambda where: Connected(where, MOST),
    ) -> None:
        self._where = where
        self._heard = heard
        self._connect = connect
        self._connected: tuple[Prometheus, Ask] | None = None
        self._threads = Threads()
        self._open: dict[str, _Question] = {}
        self._waiting: deque[_Question] = deque()
        self._halves: deque[Sequence[_Question]] = deque()
        self._under_way: set[asyncio.Future[list[Answer]]] = set()
        self._alone: dict[str, bool] = {}  # and whether the log has said that a query is bad
        self._together = MOST_TOGETHER  # fewer while Prometheus is slow
        self._trouble = ""  # why it does not answer, as it was logged

    @property
    def is_set(self) -> bool:
        """Whether there is a Prometheus to ask."""
        return self._where() is not None

    async def ask(
        self, queries: Iterable[str], *, within_s: float, few: bool = False
    ) -> Mapping[str, Answer]:
        """Return the answer to each query; one that has not come within `within_s` is unknown.

        few: ask as few questions as possible, rather than soon.
        """
        several = list(dict.fromkeys(queries))
        if self._where() is None:
            return dict.fromkeys(several, unknown("no `prometheus:` is set in upshift.yaml"))
        until = asyncio.get_running_loop().time() + within_s
        questions = [self._question(query, until, few) for query in several]
        self._send()
        if questions:
            await asyncio.wait([it.answer for it in questions], timeout=within_s)
        late = unknown(f"no answer has come within {within_s:g} s")
        return {it.query: it.answer.result() if it.answer.done() else late for it in questions}

    def prepare(self) -> None:
        """Load what it takes to ask, in the background, so that the first question is not late."""
        if (where := self._where()) is not None:
            ask = self._ask(where)
            if isinstance(ask, Connected):
                self._threads.submit(ask.prepare)

    def close(self) -> None:
        """Wait for no answer any more."""
        self._waiting.clear()
        self._halves.clear()
        for call in self._under_way:
            call.cancel()
        for question in [*self._open.values()]:
            self._settle(question, unknown("nobody is asked any more"))

    def _question(self, query: str, until: float, few: bool) -> _Question:
        """Return the one that is open already for this query, or a new one."""
        found = self._open.get(query)
        if found is not None:
            found.until = max(found.until, until)
            return found
        made = _Question(query, asyncio.get_running_loop().create_future(), few, until)
        self._open[query] = made
        self._waiting.append(made)
        return made

    def _ask(self, where: Prometheus) -> Ask:
        if self._connected is None or self._connected[0] != where:
            self._connected = where, self._connect(where)
        return self._connected[1]

    def _send(self) -> None:
        """Send what waits, as far as there is room."""
        where = self._where()
        if where is None:  # since a moment ago, by a reload
            self.close()
            return
        while len(self._under_way) < MOST and (batch := self._next()):
            loop = asyncio.get_running_loop()
            queries = [it.query for it in batch]
            call = loop.run_in_executor(self._threads, _answers, self._ask(where), queries)
            self._under_way.add(call)
            timer = loop.call_later(PATIENCE_S, self._is_late, batch)
            call.add_done_callback(partial(self._came, batch, timer))

    def _next(self) -> Sequence[_Question]:
        """Return what goes out as one question; nothing where nothing waits."""
        while self._halves:
            if half := [it for it in self._halves.popleft() if self._is_wanted(it)]:
                return half
        batch: list[_Question] = []
        size = 0
        room = -(-len(self._waiting) // (MOST - len(self._under_way)))
        while self._waiting:
            first = self._waiting[0]
            most = min(self._together, MOST_TOGETHER if first.few else room)
            size += len(first.query)
            alone = first.query in self._alone
            if batch and (alone or len(batch) >= most or size > MAX_TOGETHER):
                break
            self._waiting.popleft()
            if self._is_wanted(first):
                batch.append(first)
                if alone:
                    break
        return batch

    def _is_wanted(self, question: _Question) -> bool:
        """Whether somebody still waits for the answer."""
        if question.until <= asyncio.get_running_loop().time():
            self._settle(question, unknown("too much is asked of Prometheus"))
        return not question.answer.done()

    def _is_late(self, batch: Sequence[_Question]) -> None:
        """Answer for a Prometheus that has not. Its thread is under way until it has ended."""
        self._together = max(1, self._together // 2)
        self._tell(LATE)
        for question in batch:
            self._settle(question, unknown(LATE))

    def _came(
        self,
        batch: Sequence[_Question],
        timer: asyncio.TimerHandle,
        call: asyncio.Future[list[Answer]],
    ) -> None:
        timer.cancel()
        self._under_way.discard(call)
        if call.cancelled():
            return
        error = call.exception()
        if error is None:
            self._together = min(MOST_TOGETHER, self._together + 1)
            self._tell("")
            for question, answer in zip(batch, call.result(), strict=True):
                self._settle(question, answer)
        elif isinstance(error, BadQuery) and len(batch) > 1:
            half = len(batch) // 2
            self._halves += (batch[:half], batch[half:])
            for part in (it for it in (batch[:half], batch[half:]) if len(it) == 1):
                self._keep_alone(part[0].query, told=False)
        elif isinstance(error, BadQuery):
            query = batch[0].query
            if not self._alone.get(query):
                log.warning("a guard's query cannot be asked", query=query, problem=str(error))
            self._keep_alone(query, told=True)
            self._settle(batch[0], unknown(str(error), bad=True))
        else:
            # What else is raised here may hold the URL, and so a password.
            why = str(error) if isinstance(error, NoAnswer) else type(error).__name__
            self._tell(why)
            for question in batch:
                self._settle(question, unknown(why))
        self._send()

    def _tell(self, trouble: str) -> None:
        """Log that Prometheus does not answer, or does so again, when that is news."""
        if trouble and trouble != self._trouble:
            log.warning("guards are unknown", problem=trouble)
        elif self._trouble and not trouble:
            log.info("guards are answered again")
        self._trouble = trouble

    def _keep_alone(self, query: str, *, told: bool) -> None:
        self._alone[query] = told or self._alone.get(query, False)
        if len(self._alone) > MAX_ALONE:
            del self._alone[next(iter(self._alone))]

    def _settle(self, question: _Question, answer: Answer) -> None:
        if self._open.get(question.query) is question:
            del self._open[question.query]
        if not question.answer.done():
            self._heard(answer.true)
            question.answer.set_result(answer)


def _answers(ask: Ask, queries: Sequence[str]) -> list[Answer]:
    """Ask, on a thread. Raise `NoAnswer`."""
    if len(queries) == 1:
        return [read_answer(ask(queries[0]))]
    return read_answers(ask(together(queries)), len(queries))
