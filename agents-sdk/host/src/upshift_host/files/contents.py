"""How a frequency stands in a file: in one that is ours, or in one place of somebody else's. Pure.

All of it works on bytes, so that of somebody else's file nothing but the number ever changes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

#: A file with these words is ours to replace.
OURS = b"upshift-agent"
#: In templates.
HZ = "{hz}"

_NUMBER = re.compile(rb"(?<![\w.+-])[0-9]{1,9}(?![\w.])")


class CannotStand(ValueError):
    """The file is not as it has to be. Says what is wrong, for people."""


@dataclass(frozen=True, slots=True)
class Own:
    """A file of our own. text: what it says at a frequency, 0 among them where it can be off."""

    text: Callable[[int], str]

    def at(self, hz: int, former: bytes | None) -> bytes:
        """What to write. Raise `CannotStand` rather than replace what is not ours."""
        wanted = self.text(hz).encode()
        if former is None or not former.strip() or OURS in former:
            return wanted
        # At 0 it may say something else than at any other frequency.
        if any(_alike(former, self.text(it).encode()) for it in (0, 1)):
            return wanted
        raise CannotStand(
            f"holds something else than what is written there; remove it, or add the words "
            f"{OURS.decode()} to the template"
        )

    def hz(self, content: bytes, tried: Iterable[int]) -> int | None:
        """Which of the frequencies `tried` it says; None: another, or something else."""
        return next((hz for hz in tried if self.text(hz).encode() == content), None)


@dataclass(frozen=True, slots=True)
class Placed:
    """The number before a mark, such as `samples_per_second: 19  # upshift`, in a user's file."""

    mark: str

    def at(self, hz: int, former: bytes | None) -> bytes:
        """`former` with that number. Raise `CannotStand` if there is no such place, or two."""
        if former is None:
            raise CannotStand("is not there")
        begin, end = self._place(former)
        return b"%b%d%b" % (former[:begin], hz, former[end:])

    def hz(self, content: bytes, _tried: Iterable[int] = ()) -> int | None:
        """The frequency that it says; None where that cannot be told."""
        try:
            begin, end = self._place(content)
        except CannotStand:
            return None
        return int(content[begin:end])

    def _place(self, content: bytes) -> tuple[int, int]:
        mark = self.mark.encode()
        lines = [line for line in _lines(content) if mark in content[line[0] : line[1]]]
        if len(lines) != 1:
            raise CannotStand(
                f"must have one line with {self.mark!r}, with the frequency before it; "
                f"it has {len(lines)}"
            )
        begin, end = lines[0]
        numbers = list(_NUMBER.finditer(content, begin, content.index(mark, begin, end)))
        if not numbers:
            raise CannotStand(f"has no whole number before {self.mark!r} on its line")
        return numbers[-1].span()


Contents = Own | Placed


def template(text: str, off: str | None) -> Own:
    """A user's template. `{hz}` is replaced, and nothing else means anything."""
    return Own(lambda hz: off if off is not None and hz == 0 else text.replace(HZ, str(hz)))


def _lines(content: bytes) -> Iterable[tuple[int, int]]:
    begin = 0
    while begin < len(content):
        end = content.find(b"\n", begin)
        end = len(content) if end < 0 else end
        yield begin, end
        begin = end + 1


def _alike(one: bytes, other: bytes) -> bool:
    """Whether they differ in numbers only."""
    return re.sub(rb"[0-9]+", b"0", one) == re.sub(rb"[0-9]+", b"0", other)
