"""The wire contract: keys, plans and statuses, as language-neutral JSON.

What belongs here: names of keys, and the translation between bytes and frozen values.
What does not: I/O, clocks, randomness, decisions. Standard library only, because this runs in
other people's processes.

Rules for editors. `agents-sdk/contract` says what holds, in words, and freezes these messages in
`golden/`: agents of every age read them. Add a field, never change the meaning of one; a reader
ignores what it does not know.
"""

from .cause import Cause
from .keys import (
    AGENT,
    DEFAULT_NAMESPACE,
    ENVIRONMENT,
    FLEET,
    HOST,
    INSTANCE,
    INSTANCE_ATTRIBUTES,
    K8S_CLUSTER,
    K8S_NAMESPACE,
    K8S_NODE,
    MAX_TARGET_BYTES,
    NAMESPACE,
    PID,
    POD,
    SERVICE_NAMESPACE,
    STARTED,
    Keys,
    canonical,
    check_namespace,
    check_target,
    node_target,
    service_target,
)
from .plan import (
    MAX_HZ,
    MAX_LEASE_BYTES,
    MAX_LEASE_MS,
    MAX_LEASES,
    MAX_PUSH_AGE_MS,
    SET_BACK_MS,
    Baseline,
    Kind,
    Lease,
    Plan,
    Where,
    decode_plan,
    encode_plan,
)
from .reading import MAX_MESSAGE_BYTES, dump, parse, shorten
from .selection import applies, matches, selects, share
from .status import (
    STATUS_INTERVAL_S,
    STATUS_LOST_MS,
    Applied,
    Requested,
    State,
    Status,
    decode_status,
    encode_status,
    is_live,
)
from .text import is_plain, one_line

__all__ = [
    "AGENT",
    "DEFAULT_NAMESPACE",
    "ENVIRONMENT",
    "FLEET",
    "HOST",
    "INSTANCE",
    "INSTANCE_ATTRIBUTES",
    "K8S_CLUSTER",
    "K8S_NAMESPACE",
    "K8S_NODE",
    "MAX_HZ",
    "MAX_LEASES",
    "MAX_LEASE_BYTES",
    "MAX_LEASE_MS",
    "MAX_MESSAGE_BYTES",
    "MAX_PUSH_AGE_MS",
    "MAX_TARGET_BYTES",
    "NAMESPACE",
    "PID",
    "POD",
    "SERVICE_NAMESPACE",
    "SET_BACK_MS",
    "STARTED",
    "STATUS_INTERVAL_S",
    "STATUS_LOST_MS",
    "Applied",
    "Baseline",
    "Cause",
    "Keys",
    "Kind",
    "Lease",
    "Plan",
    "Requested",
    "State",
    "Status",
    "Where",
    "applies",
    "canonical",
    "check_namespace",
    "check_target",
    "decode_plan",
    "decode_status",
    "dump",
    "encode_plan",
    "encode_status",
    "is_live",
    "is_plain",
    "matches",
    "node_target",
    "one_line",
    "parse",
    "selects",
    "service_target",
    "share",
    "shorten",
]
