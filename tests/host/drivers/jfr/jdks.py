"""The JDKs that there are, and what Flight Recorder loses in each."""

from __future__ import annotations

from pathlib import Path

#: JDK → its `java`. Debian has 17; 25 is there where somebody put it.
JAVAS = {
    version: found
    for version in (17, 25)
    for found in sorted(Path("/usr/lib/jvm").glob(f"*{version}*/bin/java"))[:1]
}
#: What lets JDK 17 walk what it has compiled; later ones need nothing.
WALKS = {17: ["-XX:+UnlockDiagnosticVMOptions", "-XX:+DebugNonSafepoints"], 25: []}
#: The share of samples that each may lose with that.
LOSES = {17: 0.1, 25: 0.0}
