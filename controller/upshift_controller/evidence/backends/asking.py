"""One HTTP request to a backend, bounded in time and size."""

from __future__ import annotations

import time
from typing import Any

from . import ANSWER_S, MAX_ANSWER, Backend, BackendError


def ask(backend: Backend, method: str, path: str, **given: Any) -> tuple[int, bytes]:
    """Return status and body. Raise `BackendError`; what it says holds no password and no token."""
    import requests  # here: a controller starts without it

    headers = given.pop("headers", {})
    if backend.token is not None:
        headers["Authorization"] = f"Bearer {backend.token}"
    where, until = f"{backend.kind}: ", time.monotonic() + ANSWER_S
    try:
        with requests.request(
            method,
            backend.url + path,
            headers=headers,
            timeout=ANSWER_S,
            verify=backend.ca_file or True,
            allow_redirects=False,  # a token is for nobody else
            stream=True,
            **given,
        ) as answer:
            body = b""
            for part in answer.iter_content(65536):
                body += part
                if len(body) > MAX_ANSWER:
                    raise BackendError(f"{where}its answer is larger than {MAX_ANSWER >> 20} MiB")
                if time.monotonic() > until:
                    raise BackendError(f"{where}no whole answer within {ANSWER_S:g} s")
            return answer.status_code, body
    except requests.Timeout as error:
        raise BackendError(f"{where}no answer within {ANSWER_S:g} s") from error
    except requests.ConnectionError as error:
        raise BackendError(f"{where}cannot be reached") from error
    except (requests.RequestException, OSError, ValueError) as error:
        raise BackendError(f"{where}{type(error).__name__}") from error


def said(body: bytes) -> str:
    """The beginning of an answer that is none, on one line."""
    text = " ".join(body[:300].decode("utf-8", "replace").split())
    return "".join(it if it.isprintable() else "?" for it in text)
