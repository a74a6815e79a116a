"""Floor: many bare redis-py subscribers on one event loop; says when the last one was called.

python crowd.py REDIS_URL SERVICE COUNT
"""

import asyncio
import sys
import time

from redis.asyncio import Redis


async def main(url: str, service: str, count: int) -> None:
    called = 0
    subscribed = 0

    async def follow() -> None:
        nonlocal called, subscribed
        pubsub = Redis.from_url(url).pubsub()
        await pubsub.subscribe(f"floor:{service}:changes")
        async for message in pubsub.listen():
            if message["type"] == "subscribe":
                subscribed += 1
                if subscribed == count:
                    print("ready")
            else:
                called += 1
                if called % count == 0:
                    print(time.monotonic_ns())

    async with asyncio.TaskGroup() as tasks:
        for _ in range(count):
            tasks.create_task(follow())


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
