"""What cannot be: a sentence, and nothing is rendered."""

from __future__ import annotations

from typing import Any

import pytest

from deploy.real.kubernetes.chart import LEAST, WITHOUT_CONTROLLER, template, with_


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("redis.url", "", "where is Redis? Set redis.url, or redis.existingSecret"),
        ("redis.url", "redis://me:hunter2@a", "redis.url holds a user or password: put the URL"),
        ("redis.url", 'redis://a" #', "'/redis/url': 'redis://a\" #' does not match"),
        ("redis.existingSecret", "a", "keep one of redis.url and redis.existingSecret"),
        ("valkey.enabled", True, "keep one of redis.url and valkey.enabled"),
        ("tokens.existingSecret", "", "who may do what? Name a Secret in tokens.existingSecret"),
        ("tokens.existingSecret", 'a"b', "'/tokens/existingSecret': 'a\"b' does not match"),
        ("tokens.create", True, "keep one of tokens.existingSecret and tokens.create"),
        ("tokens.list", [], "'/tokens/list': minItems: got 0, want 1"),
        ("tokens.list", None, "'/tokens': missing property 'list'"),
        (
            "tokens.list",
            [{"name": "a", "role": "viewer", "key": it} for it in "ab"],
            "tokens.list has the name a twice",
        ),
        (
            "tokens.list",
            [{"name": "a", "role": "admin", "key": "a"}],
            "'/tokens/list/0/role': value must be one of",
        ),
        ("controller.replicas", 10**30, "'/controller/replicas': maximum: got"),
        ("controller.replicas", 0, "'/controller/replicas': minimum: got 0, want 1"),
        ("controller.replicas", "2", "'/controller/replicas': got string, want integer"),
        ("controller.image.tag", "a b", "'/controller/image/tag': 'a b' does not match"),
        ("controller.config.redis", "a", "controller.config.redis is set by the chart: use redis."),
        ("controller.config.listen", ":1", "use controller.service"),
        ("controller.config", None, "'/controller': missing property 'config'"),
        ("contoller.replicas", 2, "additional properties 'contoller' not allowed"),
        ("hostAgent.config", {}, "where do profiles go? Set hostAgent.config.pyroscope.url"),
        ("hostAgent.config.pyroscope", "a", "'/hostAgent/config/pyroscope': got string"),
        ("hostAgent.hostPID", False, "the driver bpftrace needs hostAgent.hostPID"),
        ("hostAgent.drivers", ["perf"], "'/hostAgent/drivers/0': value must be one of"),
        ("hostAgent.capabilities", ["ALL"], "'/hostAgent/capabilities/0': 'not' failed"),
        ("hostAgent.config.pyroscope.url", "", "where do profiles go?"),
        ("fullnameOverride", 'a"b', "'/fullnameOverride': 'a\"b' does not match"),
        ("fullnameOverride", "a" * 64, "'/fullnameOverride': "),
    ],
)
def test_what_cannot_be_is_one_sentence_and_renders_nothing(
    path: str, value: Any, said: str
) -> None:
    done = template(with_(LEAST, path, value))
    assert (done.returncode, done.stdout) == (1, "")
    assert said in done.stderr
    assert "nil pointer" not in done.stderr


@pytest.mark.parametrize("name", ["9a", 'a"b', "A"])
def test_so_is_a_name_that_cannot_be(name: str) -> None:
    done = template(LEAST, name=name)
    assert (done.returncode, done.stdout) == (1, "")
    assert "release" in done.stderr


@pytest.mark.parametrize("name", ["tokens.create", "signing.create", "alertmanagerConfig.enabled"])
def test_what_a_release_without_a_controller_has_no_use_for_is_refused(name: str) -> None:
    done = template(with_(WITHOUT_CONTROLLER, name, True))
    assert f"{name} belongs to the release that has the controller" in done.stderr
    both = with_(WITHOUT_CONTROLLER, "hostAgent.enabled", False)
    assert "nothing is left: " in template(both).stderr
