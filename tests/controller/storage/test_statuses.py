"""Two readers of what agents report: the contract's, and the controller's quick one."""

import json
from contextlib import suppress
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from contract.strategies import jsons, statuses
from upshift_agent.contract import Status, decode_status, encode_status
from upshift_agent.contract.errors import WireError
from upshift_controller.storage.reports.statuses import read_quickly


@given(statuses)
def test_what_an_agent_reports_is_read_quickly(status: Status) -> None:
    read = read_quickly(encode_status(status).encode())
    assert read is not None
    assert plain(read) == plain(status)


values = (
    jsons
    | st.sampled_from([2**63, 2**63 - 1, -1, 10**400, 1e308, 5e-324, 1.0, True, None, [], {}])
    | st.sampled_from([float("nan"), float("inf"), "\ud800", "2", 1, 2])
)


@given(statuses, values, st.data())
def test_nothing_is_read_quickly_that_the_contract_reads_otherwise(
    status: Status, value: Any, data: Any
) -> None:
    document = json.loads(encode_status(status))
    at = document
    while True:
        key = data.draw(st.sampled_from(sorted(at)))
        if not (isinstance(at[key], dict) and at[key] and data.draw(st.booleans())):
            break
        at = at[key]
    at[key] = value
    check(json.dumps(document).encode())


@given(st.binary() | jsons.map(json.dumps).map(str.encode))
@example(b"[" * 100_000)
def test_what_is_no_status_is_not_read_quickly(message: bytes) -> None:
    check(message)


def check(message: bytes) -> None:
    read = read_quickly(message)
    if read is None:
        with suppress(WireError):
            decode_status(message)
    else:
        assert plain(read) == plain(decode_status(message))


def plain(status: Status) -> str:
    """In one order, for that of profiles means nothing; 1 is not True."""
    return json.dumps(json.loads(encode_status(status)), sort_keys=True)
