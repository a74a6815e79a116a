"""What an agent is told, and what it is when it is told nothing."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from upshift_agent import Agent, ConfigurationError, attributes
from upshift_agent.config import Config, from_environment

URL = "redis://127.0.0.1:6379"


def ignore(decision: object) -> None:
    pass


async def switch(decision: object) -> None:
    pass


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"redis_url": "http://127.0.0.1"}, "redis_url .* must begin with redis://"),
        ({"redis_url": "redis://127.0.0.1:many"}, "redis_url"),
        ({"redis_url": "redis://"}, "right would be redis://127.0.0.1:6379"),
        ({"redis_url": None}, "it is not text"),
        ({"service": None}, "which service is this"),
        ({"service": ""}, "service or node cannot be used: a target is"),
        ({"service": "x" * 300}, "at most 256 bytes"),
        ({"service": 7}, "service must be text"),
        ({"node": ""}, "service or node cannot be used: a target is"),
        ({"driver": None}, "a callable that takes a Decision"),
        ({"driver": dict}, "a callable that takes a Decision"),
        ({"driver": switch}, "not a coroutine function"),
        ({"baseline_hz": -1}, "baseline_hz must be 0–1000 whole Hz, got -1"),
        ({"baseline_hz": 19.5}, "baseline_hz must be 0–1000 whole Hz"),
        ({"max_hz": 1001}, "max_hz must be 0–1000"),
        ({"max_hz": True}, "max_hz must be 0–1000"),
        ({"namespace": "a b"}, "namespace is made of letters"),
        ({"attributes": {"k8s.pod.name": 3}}, "attributes must map text to text"),
        ({"secrets": ""}, "none empty"),
        ({"secrets": [b"good", ""]}, "none empty"),
        ({"secrets": 5}, "secrets must be"),
    ],
)
def test_a_wrong_argument_is_said_at_construction(wrong: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {"redis_url": URL, "service": "checkout", "driver": ignore}
    with pytest.raises(ConfigurationError, match=message):
        Agent(**{**arguments, **wrong})


def test_a_password_is_in_no_message() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Agent(redis_url="redsi://:hunter2@host", service="checkout", driver=ignore)
    assert "hunter2" not in str(caught.value)


def test_an_agent_follows_its_service_and_the_fleet() -> None:
    assert Config(redis_url=URL, service="a").targets({}) == ("service/a", "fleet")


def test_a_host_agent_reports_under_its_node() -> None:
    config = Config(redis_url=URL, service="a", node="worker-3")
    assert config.targets({}) == ("node/worker-3", "service/a", "fleet")
    assert config.targets({"host.name": "worker-3"}) == config.targets({})
    assert config.identity({}, "1f")["host.name"] == "worker-3"


@pytest.mark.parametrize(
    ("attributes", "node"),
    [
        ({"host.name": "worker-3"}, ("node/worker-3",)),
        ({"host.name": "worker-3", "k8s.node.name": "node-7"}, ("node/node-7",)),
        ({"host.name": "checkout-7d9f", "k8s.pod.name": "checkout-7d9f"}, ()),
        ({"k8s.pod.name": "checkout-7d9f", "k8s.node.name": "node-7"}, ("node/node-7",)),
        ({"host.name": "two\nlines"}, ()),
        ({"host.name": ""}, ()),
    ],
)
def test_an_agent_follows_the_node_that_its_attributes_name(
    attributes: dict[str, str], node: tuple[str, ...]
) -> None:
    targets = Config(redis_url=URL, service="a").targets(attributes)
    assert targets == ("service/a", *node, "fleet")


def test_resource_attributes_are_percent_decoded() -> None:
    assert attributes.parse(" a = b%2Cc%3Dd , e=%F0%9F%9B%92,, f=") == {
        "a": "b,c=d",
        "e": "🛒",
        "f": "",
    }


def test_resource_attributes_that_are_no_pairs_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="key=value,key=value, got 'oops'"):
        attributes.parse("a=b,oops")


def test_the_service_name_of_the_environment_beats_its_resource_attributes() -> None:
    environ = {"OTEL_SERVICE_NAME": "cart", "OTEL_RESOURCE_ATTRIBUTES": "service.name=x,a=b"}
    assert attributes.from_environment(environ) == {"service.name": "cart", "a": "b"}


def test_the_environment_says_all_that_an_agent_needs(tmp_path: Path) -> None:
    secrets = tmp_path / "secrets"
    secrets.write_text("new\n\nold\n")
    found = from_environment(
        {
            "UPSHIFT_REDIS_URL": URL,
            "UPSHIFT_MAX_HZ": "200",
            "UPSHIFT_BASELINE_HZ": "9",
            "UPSHIFT_NAMESPACE": "staging",
            "UPSHIFT_SECRET_FILE": str(secrets),
            "OTEL_RESOURCE_ATTRIBUTES": "service.name=cart,deployment.environment=dev",
        }
    )
    config = Config(**found)
    assert (config.service, config.max_hz, config.baseline_hz) == ("cart", 200, 9)
    assert (config.namespace, config.secrets) == ("staging", (b"new", b"old"))
    assert config.identity({}, "1f")["deployment.environment.name"] == "dev"


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({}, "UPSHIFT_REDIS_URL is not set"),
        ({"UPSHIFT_REDIS_URL": URL, "UPSHIFT_MAX_HZ": "fast"}, "UPSHIFT_MAX_HZ must be whole Hz"),
        ({"UPSHIFT_REDIS_URL": URL, "UPSHIFT_SECRET_FILE": "/no/such"}, "cannot be read"),
        ({"UPSHIFT_REDIS_URL": URL, "UPSHIFT_SECRET_FILE": os.devnull}, "is empty"),
    ],
)
def test_a_wrong_environment_is_said_as_well(environ: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        from_environment(environ)


def test_arguments_go_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UPSHIFT_REDIS_URL", "nonsense")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "cart")
    Agent.from_env(driver=ignore, redis_url=URL)
    with pytest.raises(ConfigurationError):
        Agent.from_env(driver=ignore)


def test_a_pod_is_its_own_instance() -> None:
    config = Config(redis_url=URL, service="a")
    found = config.identity({"POD_NAME": "a-7d9f"}, "1f")
    assert found["k8s.pod.name"] == found["service.instance.id"] == "a-7d9f"


def test_without_a_pod_the_host_is_the_instance() -> None:
    found = Config(redis_url=URL, service="a").identity({}, "1f")
    assert found["service.instance.id"] == found["host.name"] == os.uname().nodename
    assert found["process.pid"] == str(os.getpid())


def test_attributes_given_beat_those_found() -> None:
    config = Config(redis_url=URL, service="a", attributes={"service.instance.id": "seven"})
    assert config.identity({"POD_NAME": "a-7d9f"}, "1f")["service.instance.id"] == "seven"


def identity_of(environ: dict[str, str], **told: str) -> Mapping[str, str]:
    return Config(redis_url=URL, service="a", attributes=told).identity(environ, "1f")


@pytest.fixture
def namespace_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "namespace"
    monkeypatch.setattr(attributes, "NAMESPACE_FILE", str(path))
    return path


def test_an_agent_finds_its_namespace_by_itself(namespace_file: Path) -> None:
    def found(*names: str, **told: str) -> str | None:
        environ = {
            "POD_NAMESPACE": "from-pod",
            "OTEL_RESOURCE_ATTRIBUTES": "a=b,k8s.namespace.name=from%2Dotel",
        }
        return identity_of({it: environ[it] for it in names}, **told).get("k8s.namespace.name")

    assert found() is None
    namespace_file.write_text("from-file\n")
    assert found() == "from-file"
    assert found("POD_NAMESPACE") == "from-pod"
    assert found("POD_NAMESPACE", "OTEL_RESOURCE_ATTRIBUTES") == "from-otel"
    assert found("POD_NAMESPACE", **{"k8s.namespace.name": "told"}) == "told"


@pytest.mark.parametrize(
    "bad", [b"", b" \n", b"\xff", b"a\nb", b"x" * 100_000, "a\u202eb".encode()]
)
def test_a_namespace_that_no_lease_could_name_is_none(namespace_file: Path, bad: bytes) -> None:
    namespace_file.write_bytes(bad)
    for environ in ({}, {"POD_NAMESPACE": bad.decode("utf-8", "surrogateescape")}):
        assert "k8s.namespace.name" not in identity_of(environ)


def test_a_namespace_file_that_cannot_be_read_harms_nothing(namespace_file: Path) -> None:
    namespace_file.mkdir()
    assert "k8s.namespace.name" not in identity_of({})


def test_what_alerts_ask_for_is_read_from_otels_attributes_where_it_was_not_told() -> None:
    said = "deployment.environment=prod,service.namespace=shop,k8s.cluster.name=eu,cloud.zone=a"
    found = identity_of({"OTEL_RESOURCE_ATTRIBUTES": said}, **{"k8s.cluster.name": "us"})
    assert found["deployment.environment.name"] == "prod"
    assert found["service.namespace"] == "shop"
    assert found["k8s.cluster.name"] == "us"
    assert "cloud.zone" not in found


def test_the_node_of_a_pod_is_known_where_it_is_told() -> None:
    assert identity_of({"K8S_NODE_NAME": "worker-1"})["k8s.node.name"] == "worker-1"
    assert "k8s.node.name" not in identity_of({"NODE_NAME": "built-in"}), "Jenkins sets this one"


def test_otels_attributes_that_are_no_pairs_harm_no_agent_that_was_not_to_read_them() -> None:
    assert identity_of({"OTEL_RESOURCE_ATTRIBUTES": "oops"})["service.name"] == "a"


def test_nobody_chooses_an_agents_own_id() -> None:
    """Forked workers, and containers that share a host, all get the same attributes."""
    config = Config(redis_url=URL, service="a", attributes={"upshift.agent.id": "ours"})
    assert config.identity({}, "1f")["upshift.agent.id"] == "1f"
