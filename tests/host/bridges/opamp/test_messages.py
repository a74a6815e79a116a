"""OpAMP's messages, held to the official ones."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry._opamp.proto import opamp_pb2 as pb

from upshift_host.bridges.opamp.messages import (
    MAX_FIELDS,
    ConfigStatus,
    Report,
    ask_for_all,
    offer,
    read,
    refuse,
)

UIDS = st.binary(min_size=16, max_size=16)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=50)
FILES = st.dictionaries(TEXTS, st.binary(max_size=100), max_size=5)
STATES = {1: "applied", 2: "applying", 3: "failed"}


@given(UIDS, st.dictionaries(TEXTS, TEXTS, max_size=5), st.integers(0, 2**64 - 1), FILES,
       st.sampled_from([*STATES]), st.binary(max_size=40), TEXTS, st.booleans())  # fmt: skip
def test_what_the_official_messages_say_is_read(
    uid: bytes, attributes: dict[str, str], capabilities: int, files: dict[str, bytes],
    state: int, hash_: bytes, error: str, healthy: bool,
) -> None:  # fmt: skip
    message = pb.AgentToServer(instance_uid=uid, sequence_num=3, capabilities=capabilities)
    for key, value in attributes.items():
        entry = message.agent_description.identifying_attributes.add(key=key)
        entry.value.string_value = value
    message.effective_config.config_map.SetInParent()
    for name, body in files.items():
        message.effective_config.config_map.config_map[name].body = body
    message.remote_config_status.status = state
    message.remote_config_status.last_remote_config_hash = hash_
    message.remote_config_status.error_message = error
    message.health.healthy = healthy
    message.health.start_time_unix_nano = 5
    message.custom_message.data = b"of no interest"
    assert read(b"\0" + message.SerializeToString()) == Report(
        uid=uid,
        attributes=attributes,
        capabilities=capabilities,
        healthy=healthy,
        effective=files,
        status=ConfigStatus(hash_, STATES[state], error),  # type: ignore[arg-type]
    )


def test_attributes_of_any_kind_are_text_and_what_identifies_goes_first() -> None:
    message = pb.AgentToServer(instance_uid=b"x" * 16)
    known = message.agent_description.identifying_attributes
    known.add(key="a").value.int_value = -5
    known.add(key="b").value.bool_value = True
    known.add(key="c").value.double_value = 0.5
    known.add(key="d").value.array_value.values.add().string_value = "left out"
    other = message.agent_description.non_identifying_attributes
    other.add(key="a").value.string_value = "another"
    other.add(key="e").value.string_value = "e"
    found = read(message.SerializeToString()).attributes  # without the header, as before 2023
    assert found == {"a": "-5", "b": "true", "c": "0.5", "e": "e"}


def test_goodbye_is_heard() -> None:
    message = pb.AgentToServer(instance_uid=b"x" * 16, agent_disconnect={})
    assert read(b"\0" + message.SerializeToString()).leaves


@given(UIDS, FILES, st.binary(min_size=1, max_size=40))
def test_what_is_offered_is_what_official_clients_read(
    uid: bytes, files: dict[str, bytes], hash_: bytes
) -> None:
    message = pb.ServerToAgent.FromString(offer(uid, files, hash_)[1:])
    assert message.instance_uid == uid
    assert message.remote_config.config_hash == hash_
    read_back = message.remote_config.config.config_map
    assert {name: it.body for name, it in read_back.items()} == files
    assert {it.content_type for it in read_back.values()} <= {"text/yaml"}
    assert message.capabilities == 7


def test_errors_and_questions_are_what_official_clients_read() -> None:
    asked = pb.ServerToAgent.FromString(ask_for_all(b"x" * 16)[1:])
    assert asked.flags == pb.ServerToAgentFlags_ReportFullState
    refused = pb.ServerToAgent.FromString(refuse(b"", "no good")[1:])
    assert refused.error_response.type == pb.ServerErrorResponseType_BadRequest
    assert refused.error_response.error_message == "no good"


@given(st.binary(max_size=300))
def test_anything_else_is_one_kind_of_error(message: bytes) -> None:
    try:
        read(message)
    except ValueError:
        return


@given(UIDS, st.data())
def test_a_message_that_was_damaged_is_one_kind_of_error(uid: bytes, data: st.DataObject) -> None:
    message = pb.AgentToServer(instance_uid=uid)
    message.agent_description.identifying_attributes.add(key="a").value.string_value = "b"
    message.effective_config.config_map.config_map[""].body = b"c: 1"
    whole = bytearray(b"\0" + message.SerializeToString())
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] = data.draw(st.integers(0, 255))
    test_anything_else_is_one_kind_of_error.hypothesis.inner_test(bytes(whole))  # type: ignore[attr-defined]


def test_fields_without_end_are_refused() -> None:
    with pytest.raises(ValueError, match="more than"):
        read(b"\x10\x01" * (MAX_FIELDS + 1))
