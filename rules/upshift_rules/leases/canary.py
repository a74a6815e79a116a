"""A lease for a share of the agents reaches at least one where there is one. Pure.

Its fraction stays what the rule says, however many agents start later: what moves, and only where
it would select nobody, is where on the circle its arc begins (see
`upshift_agent.contract.selection`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from upshift_agent.contract import Lease, applies, matches, share

from .agents import Agent, able


def aimed(lease: Lease, agents: Sequence[Agent]) -> Lease:
    """Return `lease`, moved where that is needed for it to reach one of these live agents."""
    if lease.fraction >= 1:
        return lease
    meant = [it.attributes for it in able(lease, agents) if matches(lease, it.attributes)]
    if any(applies(lease, it) for it in meant):
        return lease
    shares = [share(lease, it) for it in meant]
    return replace(lease, fraction_from=min(shares)) if shares else lease


def reached(lease: Lease, agents: Sequence[Agent]) -> str:
    """Return how many agents a lease reaches now: `for 1 of 5 live agents (fraction 0.1)`."""
    meant = [it.attributes for it in able(lease, agents) if matches(lease, it.attributes)]
    if not meant:
        return f"for none yet: no live agent is meant (fraction {lease.fraction:g})"
    count = sum(applies(lease, it) for it in meant)
    plural = "" if len(meant) == 1 else "s"
    return f"for {count} of {len(meant)} live agent{plural} (fraction {lease.fraction:g})"
