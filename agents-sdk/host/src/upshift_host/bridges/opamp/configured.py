"""`opamp:` of bridge.yaml → what collectors are sent."""

from __future__ import annotations

from pathlib import Path

from ...errors import StartRefused
from ...files.contents import CannotStand, Placed, template
from ...files.presets import collector
from ..reading import read_bytes
from ..settings import OpampEntry
from .contents import OURS, Contents

MAX_FILE = 256 * 1024  # bytes of a user's file


def contents_of(folder: Path, entry: OpampEntry) -> Contents:
    """What collectors are sent. Raise `StartRefused` with the file that cannot be."""
    files: dict[str, bytes] = {}
    for it in entry.files:
        body = read_bytes(folder / it.file)
        name = it.name or Path(it.file).name
        if not body.strip() or len(body) > MAX_FILE:
            raise StartRefused(f"{it.file} must have 1–{MAX_FILE} bytes, it has {len(body)}")
        if name in files:
            raise StartRefused(f"{it.file}: another of opamp.files has the name {name}, too")
        files[name] = body
    bounds = {"lowest": entry.lowest, "highest": entry.highest}
    marked = next((it for it in entry.files if it.number_before is not None), None)
    what = "opamp.template" if entry.template else "what is sent"
    try:
        if marked is not None and marked.number_before is not None:
            what, name = marked.file, marked.name or Path(marked.file).name
            former = files.pop(name)
            return Contents(Placed(marked.number_before), False, name, former, files, **bounds)
        if entry.template is None:
            return Contents(collector(entry.receiver), True, OURS, None, files, **bounds)
        text = template(entry.template, entry.off)
        return Contents(text, entry.off is not None, OURS, None, files, **bounds)
    except CannotStand as error:
        raise StartRefused(f"{what} {error}") from error
