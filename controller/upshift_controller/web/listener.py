"""The socket that the API is served on: TLS, and no patience with clients that only hold it."""

from __future__ import annotations

import logging
import resource
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from ..errors import StartRefused
from ..settings import TlsEntry, split_listen

#: A connection without a complete request is closed after this many seconds, the first one and
#: one that is kept for the next alike. Half-sent headers do not count.
IDLE_S = 75.0
#: How often it is said, at most, that connections cannot be taken.
TELL_S = 60.0

log = structlog.get_logger()


def tls_context(tls: TlsEntry) -> ssl.SSLContext:
    """A context for the listener. Raise `StartRefused` naming the files that cannot be used."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    load_certificate(context, tls)
    if tls.client_ca is not None:
        try:
            context.load_verify_locations(tls.client_ca)
        except (OSError, ssl.SSLError) as error:
            raise StartRefused(f"tls.client_ca {tls.client_ca}: {_why(error)}") from error
        # Optional, because health checks and holders of tokens need none.
        context.verify_mode = ssl.CERT_OPTIONAL
    return context


def load_certificate(context: ssl.SSLContext, tls: TlsEntry) -> None:
    """Serve new connections with certificate and key as they are on disk. Raise `StartRefused`."""
    try:
        # The empty password keeps OpenSSL from asking the terminal for one.
        context.load_cert_chain(tls.certificate, tls.key, password="")
    except (OSError, ssl.SSLError) as error:
        raise StartRefused(
            f"tls.certificate {tls.certificate} and tls.key {tls.key}: {_why(error)}"
        ) from error


def _why(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return f"not usable PEM, encrypted, or not a pair ({error.reason or 'OpenSSL'})"
    return error.strerror or type(error).__name__


@asynccontextmanager
async def listening(
    app: web.Application, listen: str, tls: ssl.SSLContext | None
) -> AsyncIterator[str]:
    """Serve `app` on HOST:PORT for as long as the context lasts, and tell the URL."""
    _allow_many_connections()
    logging.getLogger("aiohttp.server").addFilter(_not_about_broken_requests)
    logging.getLogger("asyncio").addFilter(_no_connections)
    host, port = split_listen(listen)
    runner = web.AppRunner(
        app,
        access_log=None,  # the log has a line for each change; one for each request would bury it
        shutdown_timeout=2.0,
        keepalive_timeout=IDLE_S,
        auto_decompress=False,  # `json_body` refuses what is compressed
    )
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port, ssl_context=tls).start()
        except OSError as error:
            raise StartRefused(f"cannot listen on {listen}: {error.strerror}") from error
        bound = runner.addresses[0]
        shown = f"[{bound[0]}]" if ":" in bound[0] else bound[0]
        yield f"{'https' if tls else 'http'}://{shown}:{bound[1]}"
    finally:
        await runner.cleanup()


def _not_about_broken_requests(record: logging.LogRecord) -> bool:
    """What is no HTTP is answered with 400. In the log it would show headers, tokens and all."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


class _NoConnections(logging.Filter):
    """Where there is no descriptor for a connection, asyncio says so hundreds of times a second,
    each time with a traceback, until there is one."""

    _told_at = -TELL_S

    def filter(self, record: logging.LogRecord) -> bool:
        if not record.getMessage().startswith("socket.accept() out of system resource"):
            return True
        if time.monotonic() - self._told_at >= TELL_S:
            self._told_at = time.monotonic()
            error = record.exc_info[1] if record.exc_info else None
            log.error("connections cannot be taken", problem=str(error))
        return False


_no_connections = _NoConnections()


def _allow_many_connections() -> None:
    """Idle connections must not use up the usual 1024 files; the hard limit is the machine's."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
