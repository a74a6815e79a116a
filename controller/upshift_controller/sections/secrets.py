"""Files that sections name: tokens and certificates."""

from __future__ import annotations

from pathlib import Path

from ..errors import StartRefused


def text_in(file: str) -> str:
    """Raise `StartRefused` for a file that cannot be read as text."""
    try:
        return Path(file).read_text()
    except OSError as error:
        raise StartRefused(f"cannot read {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise StartRefused(f"cannot read {file}: it is no text") from error


def token_in(file: str | None) -> str | None:
    """The bearer token that a file holds, None for no file. Raise `StartRefused`."""
    if file is None:
        return None
    token = text_in(file).strip()
    if not (token and token.isascii() and token.isprintable()):
        raise StartRefused(f"{file} must hold a token, alone, on one line")
    return token
