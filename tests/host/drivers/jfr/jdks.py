"""The JDKs that there are, and what Flight Recorder loses in each."""

from __future__ import annotations

from pathlib import Path

#: JDK → its `java`. Debian has 17; 25 is there where somebody put it.
JAVAS = {
    version: found
    for version in (17, 25)
    for found in sorted(Path("/usr/lib/jvm").glob(f"*{version}*/bin/java"))[:1]
}
#: The share of samples that each may lose: 17 cannot walk many of the stacks that it comes upon.
LOSES = {17: 0.5, 25: 0.1}
