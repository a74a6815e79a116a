"""Hypothesis strategies for the values of the wire contract, small enough to collide often."""

from hypothesis import strategies as st

from upshift_agent.contract import (
    ALL,
    CPU,
    FLEET,
    PROFILES,
    Applied,
    Baseline,
    Cause,
    Confirmed,
    Lease,
    Plan,
    Requested,
    Status,
    Wanted,
    Where,
)

#: Few moments, so that leases end together, one millisecond apart, or in the past.
moments = st.integers(0, 40) | st.integers(0, 2**53)
#: Few frequencies, so that leases tie.
hertz = st.sampled_from([0, 1, 9, 19, 49, 99, 100, 1000]) | st.integers(0, 1000)
ENVIRONMENTS = ["production", "staging", "qa"]

#: Any text that can be sent: all of Unicode but surrogates.
words = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
jsons = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=8,
)  # fmt: skip  # one alternative a line reads worse

attributes = st.fixed_dictionaries(
    {},
    optional={
        "deployment.environment.name": st.sampled_from(ENVIRONMENTS),
        "deployment.environment": st.sampled_from(ENVIRONMENTS),
        "service.instance.id": st.sampled_from(["pod-a", "pod-b", ""]),
        "k8s.pod.name": st.sampled_from(["pod-a", "pod-b"]),
        "upshift.agent.id": st.sampled_from(["a1", "b2"]),
    },
)
_values = st.sampled_from([*ENVIRONMENTS, "pod-a", "pod-b"])
wheres: st.SearchStrategy[Where] = st.dictionaries(
    st.sampled_from(
        ["deployment.environment.name", "deployment.environment", "service.instance.id", "any"]
    ),
    _values | st.lists(_values, max_size=3).map(tuple),
    max_size=2,
)
profiles = st.just(CPU) | st.sampled_from(PROFILES)
_kinds = st.tuples(st.sampled_from(["boost", "pin", "cap"]), profiles) | st.just(("cap", ALL))
leases = st.builds(
    lambda kind, **fields: Lease(kind=kind[0], profile=kind[1], **fields),
    kind=_kinds,
    id=st.sampled_from(["a/1", "b/1", "c/1"]) | words,
    hz=hertz,
    since_ms=moments,
    expires_at_ms=moments,
    where=st.just({}) | wheres,
    fraction=st.just(1.0) | st.floats(0, 1, exclude_min=True),
    fraction_from=st.just(0.0) | st.floats(0, 1, exclude_max=True),
    cause=st.builds(Cause, st.dictionaries(words, jsons, max_size=2)),
)
baselines = st.builds(
    Baseline,
    hertz,
    st.dictionaries(st.sampled_from(ENVIRONMENTS), hertz, max_size=3),
    st.just({}) | st.dictionaries(st.sampled_from(PROFILES[1:]), hertz),
)


def plans_of(target: str) -> st.SearchStrategy[Plan]:
    return st.builds(
        Plan,
        target=st.just(target),
        rev=st.integers(0, 2**63 - 1),
        now_ms=moments,
        after=st.none() | moments,
        leases=st.lists(leases, max_size=6).map(tuple),
        baseline=st.none() | baselines if target == FLEET else st.none(),
    )


#: What one agent may hold: at most one plan of each target that it follows.
followed = st.tuples(
    st.none() | plans_of(FLEET),
    st.none() | plans_of("service/checkout"),
    st.none() | plans_of("node/worker-3"),
).map(lambda plans: [plan for plan in plans if plan is not None])

targets = st.just(FLEET) | st.builds(
    "{}/{}".format,
    st.sampled_from(["service", "node"]),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60),
)
_revs = st.dictionaries(words, st.integers(0, 2**63 - 1), max_size=2)
_maybe_whole = st.none() | st.integers(0, 2**63 - 1)
statuses = st.builds(
    Status,
    instance=words,
    attributes=st.dictionaries(words, words, max_size=3),
    driver=words,
    at_ms=moments,
    state=st.sampled_from(["applying", "applied", "failed"]),
    since_ms=moments,
    requested=st.builds(
        Requested,
        revs=_revs,
        profiles=st.dictionaries(
            profiles,
            st.builds(
                Wanted,
                hz=hertz,
                lease=st.none() | words,
                reason=words,
                until_ms=_maybe_whole,
                clamped_from=_maybe_whole,
            ),
        ),
    ),
    applied=st.none()
    | st.builds(
        Applied,
        revs=_revs,
        at_ms=moments,
        profiles=st.dictionaries(
            profiles,
            st.builds(Confirmed, hz=hertz, achieved_hz=st.none() | st.floats(0, 1e9)),
        ),
    ),
    error=st.none() | words,
    skipped=st.lists(words, max_size=2).map(tuple),
    max_hz=_maybe_whole,
    sdk=words,
)
