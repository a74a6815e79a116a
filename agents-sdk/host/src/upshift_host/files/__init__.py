"""Profilers that somebody else runs: each is told its frequency by one file, and told to reload it.

Rules for whoever changes this:
- Of all that a plan or a process says, one number gets into a file, and nothing into a command line
  or a URL: those come from agent.yaml alone. Names of services reach statuses only.
- What lowers is written at once, on the thread that asked, and is never undone. What raises is
  checked first, gathered and limited, watched afterwards, and put back if it did harm.
- A file is replaced by rename, never written in place. While it is above the baseline there is a
  copy at the baseline beside it, which a full disk cannot keep from being put in its place.

Pure: `contents` (text and number), `keeping` (what to do now), `sharing` (whose frequency), and
`presets`. Edges: `place` (the file), `profiler` (its process, check and reload). `keeper` joins
them on a thread of its own; `driver` is what agents see, `of_host` all of one host agent's.
"""
