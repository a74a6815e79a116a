"""One report, in a process of its own: a large profile takes core and memory from nobody who grants
leases. Takes a job as JSON, answers with a report, or with a problem."""

from __future__ import annotations

import json
import os
import resource
import signal
import sys

from .backends import BackendError
from .backends.making import profiles_of
from .reading.wire import ProfileError
from .report import REPORT_S, Job, report

#: Address space; a million samples take 200 MB.
MAX_MEMORY = 2 * 1024**3


def main() -> None:
    signal.alarm(REPORT_S)  # also where nobody is left who would end it
    os.nice(10)
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))
    job = Job.of(json.load(sys.stdin))
    try:
        answer = report(job, profiles_of(job.backend))
    except (BackendError, ProfileError) as error:
        answer = {"failed": str(error)}
    except MemoryError:
        answer = {"failed": f"the profiles take more than {MAX_MEMORY >> 30} GiB to read"}
    json.dump(answer, sys.stdout)


main()
