"""What is in Redis and cannot be read: counted each time, logged once, skipped. No I/O here.

Agents write there, older and newer controllers, and whoever has the password. So whatever comes
from there goes through a decoder that ends here, and none of it raises anywhere else.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any

import structlog
from redis.exceptions import ResponseError

from upshift_agent.contract import check_target, shorten
from upshift_agent.contract.errors import WireError

log = structlog.get_logger()

#: How many are remembered as told. One that is forgotten is told again.
_TOLD = 1000


class Unreadable:
    """`count` is called with the kind of thing: state, plan, status, history, budget, key, name."""

    def __init__(self, count: Callable[[str], None] = lambda _: None) -> None:
        self._count = count
        self._told: OrderedDict[tuple[str, str], None] = OrderedDict()

    def tell(self, what: str, where: str, problem: object) -> None:
        self._count(what)
        if (what, where) in self._told:
            return
        self._told[what, where] = None
        if len(self._told) > _TOLD:
            self._told.popitem(last=False)
        log.error(
            "unreadable in Redis, skipped", what=what, at=where, problem=shorten(str(problem), 300)
        )

    def values(self, keys: Iterable[str], answers: Iterable[Any]) -> list[Any]:
        """Return the answers about these keys, None where a key holds something of another type.

        Raise the first other error.
        """
        return [self._value(*pair) for pair in zip(keys, answers, strict=True)]

    def _value(self, key: str, answer: Any) -> Any:
        if is_wrong_type(answer):
            self.tell("key", key, answer)
            return None
        if isinstance(answer, Exception):
            raise answer
        return answer

    def targets(self, key: str, members: Iterable[bytes]) -> tuple[list[str], list[bytes]]:
        """Return the members of `key` that are targets, and those that are not."""
        names, others = [], []
        for member in members:
            try:
                names.append(check_target(member.decode()))
            except (UnicodeDecodeError, WireError) as error:
                self.tell("name", key, f"{error}, in {shorten(member)}")
                others.append(member)
        return names, others


def is_wrong_type(answer: object) -> bool:
    return isinstance(answer, ResponseError) and str(answer).startswith("WRONGTYPE")
