"""One entry of `files:`, with what its preset knows. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from upshift_agent import Profile
from upshift_host.config.files import FileEntry, ProcessEntry, ReloadEntry
from upshift_host.discovery.selection import is_selected
from upshift_host.fallback import Method
from upshift_host.workload import Language, Workload

from .contents import Contents, Placed, template
from .keeping import Limits
from .presets import PRESETS, Preset


@dataclass(frozen=True, slots=True)
class Setup:
    """rest: the baseline in Hz, as agent.yaml has it."""

    entry: FileEntry
    rest: int

    @property
    def name(self) -> str:
        return self.entry.name or self.entry.preset

    @property
    def path(self) -> Path:
        return Path(self.entry.file)

    @property
    def method(self) -> Method:
        return self.entry.method if self.entry.preset == "file" else self._preset.method

    @property
    def profile(self) -> Profile:
        return self.entry.profile

    @property
    def languages(self) -> frozenset[Language]:
        return frozenset(self.entry.languages or self._preset.languages)

    @property
    def contents(self) -> Contents:
        if self.entry.number_before is not None:
            return Placed(self.entry.number_before)
        if self._preset.own is not None:
            return self._preset.own(self.entry.receiver)
        return template(self.entry.template or "", self.entry.off)

    @property
    def limits(self) -> Limits:
        within_ms = self.entry.in_force_within
        within_s = self._preset.within_s if within_ms is None else within_ms / 1000
        return Limits(self.told(self.rest), self.entry.raises_per_minute, within_s)

    @property
    def reload(self) -> ReloadEntry | None:
        if self.entry.reload is not None or self._preset.signal is None:
            return self.entry.reload
        return ReloadEntry.model_validate({"signal": self._preset.signal})

    @property
    def process(self) -> ProcessEntry | None:
        if self.entry.process is not None or self._preset.command is None:
            return self.entry.process
        return ProcessEntry.model_validate({"command": self._preset.command})

    def told(self, hz: int) -> int:
        """What the file says where `hz` is wanted; 0 only where it can be off."""
        if hz == 0 and self._can_be_off:
            return 0
        highest = min(self.entry.highest, self._preset.highest)
        return max(min(hz, highest), self.entry.lowest)

    def reached(self, told: int) -> float:
        """Hz that the profiler makes of it."""
        return self._preset.reached(told) if self.entry.number_before is None else float(told)

    def is_for(self, workload: Workload) -> bool:
        return is_selected(self.entry.select, workload.attributes)

    @property
    def _can_be_off(self) -> bool:
        if self.entry.number_before is not None:
            return False
        return self._preset.own is not None or self.entry.off is not None

    @property
    def _preset(self) -> Preset:
        return PRESETS[self.entry.preset]
