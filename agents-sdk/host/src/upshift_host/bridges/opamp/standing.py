"""What a collector is known to do about what it was told. Pure.

It has confirmed an offer once it says APPLIED of it, or earlier: when it says, after it was told,
that its effective configuration has the number, and then that it is healthy. A supervisor waits 5 s
with its APPLIED for what the collector has said within 50 ms.
"""

from __future__ import annotations

from dataclasses import dataclass

from .contents import Contents, Offer
from .messages import ConfigStatus, Report


@dataclass(slots=True)
class Standing:
    """told: the last offer, None before the first. number: in force, as it says.

    seen, well: that the number is the one told, and that it is healthy with it.
    """

    told: Offer | None = None
    status: ConfigStatus | None = None
    number: int | None = None
    seen: bool = False
    well: bool = False
    health_error: str = ""

    def tell(self, offer: Offer) -> None:
        """It is being told now: what it has said so far is of the time before."""
        self.told = offer
        self.status, self.seen, self.well = None, False, False

    def holds(self, offer: Offer) -> bool:
        """Whether it says APPLIED of it: then it need not be told."""
        status = self.status
        return status is not None and status.hash == offer.hash and status.state == "applied"

    def hear(self, report: Report, contents: Contents) -> None:
        if report.status is not None:
            self.status = report.status
        if report.effective is not None:
            self.number = contents.in_force(report.effective)
            self.seen = self.told is not None and self.number == self.told.hz
        if report.healthy is not None:
            self.health_error = report.health_error
            self.well = self.seen and report.healthy

    def confirms(self, offer: Offer) -> bool:
        if self.holds(offer):
            return True
        return self.told is not None and self.told.hash == offer.hash and self.seen and self.well

    def error(self) -> str:
        """What the collector says is wrong, in its words."""
        said = (self.status.error if self.status else "") or self.health_error
        return said or "it does not say why"
