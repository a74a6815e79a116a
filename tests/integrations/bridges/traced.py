"""An application with Elastic's Python agent. Says which sample rate it has, at each change."""

import sys
import time

import elasticapm


def main(server_url: str, token: str) -> None:
    client = elasticapm.Client(
        service_name="stock",
        environment="production",
        server_url=server_url,
        secret_token=token,
        transaction_sample_rate=0.5,
        cloud_provider="none",
    )
    said = None
    while True:
        client.begin_transaction("request")
        client.end_transaction("GET /", "200")
        rate = client.config.transaction_sample_rate
        if rate != said:
            print(rate, flush=True)  # noqa: T201  # whoever started it waits for that
            said = rate
        time.sleep(0.1)


if __name__ == "__main__":
    main(*sys.argv[1:])
