"""`async_profiler:` of `agent.yaml`: that it is used, and where its library is."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from upshift_rules.documents.fields import Line
from upshift_rules.documents.located import Section


class AsyncProfilerEntry(Section):
    """async-profiler is loaded into JVMs, and comes before Flight Recorder."""

    library: Line | None = Field(
        default=None,
        description="Maven's jar, libasyncProfiler.so, or a folder that holds either. Default: of "
        "the asprof on the PATH, else the newest jar below ~/.m2.",
        examples=["/opt/async-profiler-4.5-linux-x64"],
    )
    timer: Literal["ctimer", "itimer"] = Field(
        default="ctimer",
        description="What samples cpu: a timer of each thread, or one of the whole process, for "
        "JVMs of many threads that compute little each.",
    )
