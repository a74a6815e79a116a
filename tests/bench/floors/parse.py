"""Reads webhooks that were kept, and does nothing with them: one JSON document a line.

python parse.py FILE
"""

import sys

import orjson


def main(file: str) -> None:
    alerts = 0
    with open(file, "rb") as lines:
        for line in lines:
            alerts += len(orjson.loads(line)["webhook"]["alerts"])
    print(alerts)


if __name__ == "__main__":
    main(sys.argv[1])
