"""The calls of a window as one tree, for a flame graph."""

from __future__ import annotations

from collections.abc import Iterable

#: Deeper frames are added to this one: recursion without end is drawn as what it is, deep.
MAX_DEPTH = 128


class Node:
    """A function as it was called on one way. weight: of all stacks that pass here."""

    __slots__ = ("calls", "weight")

    def __init__(self) -> None:
        self.weight = 0.0
        self.calls: dict[str, Node] = {}

    def add(self, functions: Iterable[str], weight: float) -> None:
        """A stack, outermost first."""
        self.weight += weight
        node = self
        for depth, name in enumerate(functions):
            if depth == MAX_DEPTH:
                return
            below = node.calls.get(name)
            if below is None:
                below = node.calls[name] = Node()
            below.weight += weight
            node = below
