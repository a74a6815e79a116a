"""Loaded by Python before the application, because `upshift-agent exec` has put this folder first,
or whoever starts it has put what `upshift-agent lend` copied.

It starts the SDK's agent as the environment describes it, and gets out of the way: the folder goes
out of the environment, so that what the application starts has no agent by accident; and the
application's own sitecustomize, if it has one, has its turn.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # importing typing would cost every application
if TYPE_CHECKING:
    from typing import Any


def _step_aside() -> None:
    """Let neither the application nor its children find this folder any more."""
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [it for it in sys.path if os.path.abspath(it or ".") != here]
    left = [it for it in os.environ.get("PYTHONPATH", "").split(os.pathsep) if it and it != here]
    if left:
        os.environ["PYTHONPATH"] = os.pathsep.join(left)
    else:
        os.environ.pop("PYTHONPATH", None)


class _Lender:
    """Finds what the SDK needs where `upshift-agent` is installed, if the application lacks it.

    Nothing else of that place is to be seen: the application shall import what it did before.
    """

    NAMES = ("upshift_agent", "redis", "pyroscope", "async_timeout", "cffi", "_cffi_backend")

    def __init__(self, places: list[str]) -> None:
        self.places = places

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        from importlib.machinery import PathFinder

        if path is None and name in self.NAMES:
            return PathFinder.find_spec(name, self.places, target)
        return None


def _start() -> None:
    beside = os.path.join(os.path.dirname(os.path.abspath(__file__)), "lent")
    places = os.environ.pop("UPSHIFT_EXEC_PLACES", beside).split(os.pathsep)
    sys.meta_path.append(_Lender([it for it in places if it]))
    from upshift_agent import Agent

    os.environ.setdefault("UPSHIFT_DRIVER", "pyroscope")
    if os.environ["UPSHIFT_DRIVER"] == "pyroscope":
        from upshift_agent.drivers.pyroscope import from_environment

        Agent.from_env(driver=from_environment()).start()
    else:
        Agent.from_env().start()


def _give_way() -> None:
    """Have the application's own sitecustomize loaded, if it has one."""
    ours = sys.modules.pop("sitecustomize")
    try:
        # What it does, it does while it is loaded.
        import sitecustomize  # type: ignore[import-not-found]  # noqa: F401
    except ImportError:
        sys.modules["sitecustomize"] = ours


_step_aside()
try:
    _start()
except BaseException as _error:  # noqa: BLE001  # the application must not notice
    sys.stderr.write(f"upshift-agent exec: no agent in this process: {_error}\n")
_give_way()
