"""Floor: one bare redis-py subscriber in a thread, whose callback says when it was called.

python subscriber.py REDIS_URL SERVICE
"""

import sys
import threading
import time

import redis


def main(url: str, service: str) -> None:
    pubsub = redis.Redis.from_url(url).pubsub()  # type: ignore[no-untyped-call]  # redis-py's
    pubsub.subscribe(f"floor:{service}:changes")

    def follow() -> None:
        for message in pubsub.listen():
            if message["type"] == "subscribe":
                print("ready")
            else:
                print(time.monotonic_ns())

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    thread.join()


if __name__ == "__main__":
    main(*sys.argv[1:])
