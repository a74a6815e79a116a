"""What stands in for Pyroscope: takes what pyroscope-io pushes, and says what it got.

`stand_in_pyroscope.py server`, on port 4040. `/seen`: application, Hz, samples and seconds of each
profile, as JSON.
"""

from __future__ import annotations

import sys
from dataclasses import asdict

from aiohttp import web

from upshift_controller.demo.receiving.receiver import Receiver


def main(mode: str) -> None:
    assert mode == "server", "the only mode it has"
    receiver = Receiver()

    async def seen(_: web.Request) -> web.Response:
        return web.json_response([{**asdict(it), "hz": it.hz} for it in receiver.profiles])

    app = receiver.app()
    app.router.add_get("/seen", seen)
    web.run_app(app, host="0.0.0.0", port=4040, print=None)  # of a network of its own


if __name__ == "__main__":
    main(sys.argv[1])
