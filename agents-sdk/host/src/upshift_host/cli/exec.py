"""`upshift-agent exec`: the SDK in a Python application that has no line of it.

The application's interpreter is told of a folder whose `sitecustomize` starts the agent. What of
the SDK's packages its own environment lacks is lent from this one.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from .. import injected
from ..config import Configuration, PyroscopeEntry, load
from ..errors import StartRefused

FOLDER = Path(injected.__file__).parent / "path"
LENT = ("upshift_agent", "redis", "pyroscope", "_cffi_backend")


def execute(command: Sequence[str], config: Path | None, service: str | None) -> None:
    """Become `command`. Raise `StartRefused` if that cannot be."""
    if not command:
        raise StartRefused("exec what? For example: upshift-agent exec -- python app.py")
    program = shutil.which(command[0])
    if program is None:
        raise StartRefused(f"{command[0]} is no program that can be found")
    configuration = load(config) if config is not None else None
    environ = environment(os.environ, configuration, service)
    if "UPSHIFT_REDIS_URL" not in environ:
        raise StartRefused("set UPSHIFT_REDIS_URL, or pass --config with an agent.yaml")
    if "OTEL_SERVICE_NAME" not in environ and "service.name=" not in environ.get(
        "OTEL_RESOURCE_ATTRIBUTES", ""
    ):
        raise StartRefused("which service is it? Pass --service NAME, or set OTEL_SERVICE_NAME")
    os.execve(program, list(command), environ)  # noqa: S606  # no shell, as it should be


def environment(
    environ: Mapping[str, str], configuration: Configuration | None, service: str | None
) -> dict[str, str]:
    """Of the application. What is set goes before what the configuration says. Pure."""
    found = dict(_from(configuration)) if configuration else {}
    found |= {"UPSHIFT_DRIVER": "pyroscope"} | dict(environ)
    if service:
        found["OTEL_SERVICE_NAME"] = service
    others = environ.get("PYTHONPATH")
    found["PYTHONPATH"] = os.pathsep.join([str(FOLDER), *([others] if others else [])])
    found["UPSHIFT_EXEC_PLACES"] = os.pathsep.join(_places())
    return found


def _from(configuration: Configuration) -> dict[str, str]:
    document = configuration.document
    found = {
        "UPSHIFT_REDIS_URL": document.redis,
        "UPSHIFT_NAMESPACE": document.namespace,
        "UPSHIFT_BASELINE_HZ": str(document.baseline),
    }
    if document.max_frequency is not None:
        found["UPSHIFT_MAX_HZ"] = str(document.max_frequency)
    if document.secret_file is not None:
        found["UPSHIFT_SECRET_FILE"] = str(configuration.folder / document.secret_file)
    if isinstance(backend := configuration.backend, PyroscopeEntry):
        found["PYROSCOPE_SERVER_ADDRESS"] = backend.url
        if backend.tenant:
            found["PYROSCOPE_TENANT_ID"] = backend.tenant
    return found


def _places() -> list[str]:
    """Where this interpreter has what the SDK needs."""
    specs = [find_spec(name) for name in LENT]
    origins = [Path(spec.origin) for spec in specs if spec is not None and spec.origin]
    roots = [it.parents[1] if it.name == "__init__.py" else it.parent for it in origins]
    return list(dict.fromkeys(map(str, roots)))
