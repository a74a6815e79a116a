"""Floor: a process that does nothing but subscribe with bare redis-py, in a thread.

python idle.py REDIS_URL
"""

import sys
import threading

import redis


def main(url: str) -> None:
    pubsub = redis.Redis.from_url(url).pubsub()  # type: ignore[no-untyped-call]  # redis-py's
    pubsub.subscribe("floor:idle:changes")

    def follow() -> None:
        for message in pubsub.listen():
            if message["type"] == "subscribe":
                print("ready")

    threading.Thread(target=follow, daemon=True).start()
    threading.Event().wait()


if __name__ == "__main__":
    main(sys.argv[1])
