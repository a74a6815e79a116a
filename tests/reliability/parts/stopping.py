"""`cap fleet --hz 0`, and how long it took until it was granted, and then obeyed."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import requests

from servers import eventually

from .agents import Agents
from .controllers import Controller

GRANTED_S = 2.0
OBEYED_S = 2.0
PROMISED = f"cap granted ≤ {GRANTED_S:g} s, obeyed ≤ {OBEYED_S:g} s later"


@dataclass
class Stops:
    """The longest of all, and those that took too long."""

    granted_s: float = 0.0
    obeyed_s: float = 0.0
    times: int = 0
    broken: list[str] = field(default_factory=list)

    def stop(self, upshift: Controller, fleet: Agents, meanwhile: str = "") -> bool:
        """False where it was not granted at all."""
        began = time.monotonic()
        self.times += 1
        try:
            upshift.lease(target="fleet", kind="cap", hz=0, duration="10m")
        except requests.RequestException as error:
            said = error.response.text if error.response is not None else repr(error)
            self.broken.append(f"{meanwhile}: cap was answered {said}")
            return False
        granted_at = time.monotonic()
        try:
            eventually(lambda: fleet.all_at(0), within_s=30)
        except AssertionError:
            self.broken.append(f"{meanwhile}: cap was not obeyed within 30 s: {fleet.hz()}")
            return True
        granted_s = granted_at - began
        # By their own account: this process may be slow to look.
        obeyed_s = max(fleet.of(it)[-1].at_s for it in fleet.instances) - granted_at
        self.granted_s = max(self.granted_s, granted_s)
        self.obeyed_s = max(self.obeyed_s, obeyed_s)
        if granted_s > GRANTED_S or obeyed_s > OBEYED_S:
            self.broken.append(f"{meanwhile}: {granted_s:.1f} s, {obeyed_s:.1f} s later")
        return True

    @property
    def worst(self) -> str:
        return f"cap granted {self.granted_s:.2f} s, obeyed {self.obeyed_s * 1000:.0f} ms later"
