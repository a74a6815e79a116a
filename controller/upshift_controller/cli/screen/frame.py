"""What `upshift watch` draws: one screen, its parts as high as there is room for."""

from __future__ import annotations

from rich.console import Console, RenderableType
from rich.layout import Layout
from rich.padding import Padding
from rich.text import Text

from ..client import Json
from . import show, text


class Frame:
    """The last answer, and what has gone wrong since. Moments are monotonic seconds."""

    def __init__(self, url: str) -> None:
        self.problem: str | None = None
        self._url = url
        self._answer: Json = {}
        self._at = 0.0

    def news(self, answer: Json, now: float) -> None:
        self._answer, self._at, self.problem = answer, now, None

    def draw(self, console: Console, now: float) -> Layout:
        answer = self._answer
        # Leases end on time with the controller away, so their countdown goes on.
        now_ms = answer["now_ms"] + int((now - self._at) * 1000)
        live = [lease for lease in answer["leases"] if lease["expires_at_ms"] > now_ms]
        leases: RenderableType = (
            show.leases(live, now_ms) if live else "No leases: every agent runs at its baseline."
        )
        agents: RenderableType = (
            show.agents(answer["agents"])
            if answer["agents"]
            else "No agents report to this controller."
        )
        events = Padding(show.history(answer["entries"], day=False), (1, 0, 0, 0))
        third = console.height // 3
        layout = Layout()
        layout.split_column(
            Layout(self._headline(now_ms), size=2),
            Layout(leases, size=min(_height(console, leases), third) + 1),
            Layout(agents, minimum_size=3),
            Layout(events, size=min(_height(console, events), third)),
        )
        return layout

    def _headline(self, now_ms: int) -> Text:
        if self.problem:
            return Text(f"{self.problem}; trying on", "bold red")
        live = [agent for agent in self._answer["agents"] if agent["state"] != "lost"]
        converged = sum(agent["converged"] for agent in live)
        said = [
            f"{text.clock(now_ms)} {text.zone()}",
            show.counted(len(self._answer["leases"]), "lease"),
            show.counted(len(live), "live agent") + (f", {converged} converged" if live else ""),
            self._url,
        ]
        return Text("  ".join(said), "bold")


def _height(console: Console, part: RenderableType) -> int:
    return len(console.render_lines(part, console.options))
