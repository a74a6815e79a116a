"""Whom a lease is for: by attributes, and by share.

A share places an agent on a circle of circumference 1, for each lease anew. A lease of `fraction`
is for the arc that begins at `fraction_from` and is `fraction` long. Shares are whole multiples of
2**-53, so they, and their differences, are exact as IEEE doubles in every language.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from .keys import AGENT, canonical
from .plan import Lease


def applies(lease: Lease, attributes: Mapping[str, str]) -> bool:
    """Whether a lease is meant for the agent with these (canonical) attributes."""
    return matches(lease, attributes) and selects(lease, attributes)


def matches(lease: Lease, attributes: Mapping[str, str]) -> bool:
    """Whether the (canonical) attributes are those that the lease's `where` asks for."""
    for name, wanted in canonical(lease.where).items():
        value = attributes.get(name)
        if value is None or (value != wanted if isinstance(wanted, str) else value not in wanted):
            return False
    return True


def selects(lease: Lease, attributes: Mapping[str, str]) -> bool:
    """Whether the agent is one of the lease's `fraction`: the same answer everywhere."""
    if lease.fraction >= 1:
        return True
    beyond = share(lease, attributes) - lease.fraction_from
    return (beyond if beyond >= 0 else beyond + 1) < lease.fraction


def share(lease: Lease, attributes: Mapping[str, str]) -> float:
    """Where this agent is on the lease's circle, from 0 to below 1.

    The first 53 bits of SHA-256 over "ID\\nSINCE\\nAGENT", big endian, as a share of 2**53.
    """
    agent = attributes.get(AGENT, "")
    text = f"{lease.id}\n{lease.since_ms}\n{agent}".encode("utf-8", "surrogatepass")
    return (int.from_bytes(hashlib.sha256(text).digest()[:8], "big") >> 11) / 2**53
