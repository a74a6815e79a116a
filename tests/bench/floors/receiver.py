"""Floor: aiohttp, and one EVALSHA a request that sets a key and publishes it.

python receiver.py REDIS_URL --listen=HOST:PORT
"""

import json
import sys

from aiohttp import web
from redis.asyncio import Redis

SCRIPT = """
redis.call('SET', KEYS[1], ARGV[1])
redis.call('PUBLISH', ARGV[2], ARGV[1])
return 1
"""
#: As long as a plan with one lease.
PADDING = "x" * 360


def app(redis_url: str) -> web.Application:
    redis = Redis.from_url(redis_url)
    digests: list[str] = []

    async def load(_: web.Application) -> None:
        digests.append(await redis.script_load(SCRIPT))

    async def receive(request: web.Request) -> web.Response:
        document = json.loads(await request.read())
        alert = document["alerts"][0]
        service = alert["labels"]["service_name"]
        plan = json.dumps({"service": service, "status": alert["status"], "padding": PADDING})
        key, channel = f"floor:{service}", f"floor:{service}:changes"
        await redis.evalsha(digests[0], 1, key, plan, channel)
        return web.json_response({"done": 1})

    async def ready(_: web.Request) -> web.Response:
        return web.Response(text="ready")

    app = web.Application()
    app.on_startup.append(load)
    app.router.add_post("/", receive)
    app.router.add_get("/-/ready", ready)
    return app


if __name__ == "__main__":
    host, _, port = sys.argv[2].removeprefix("--listen=").partition(":")
    web.run_app(app(sys.argv[1]), host=host, port=int(port), access_log=None, print=None)
