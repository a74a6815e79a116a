"""What `upshift check` says of a document that is valid and may still not be what was meant.

Advice only: nothing is changed because of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from upshift_agent.contract import (
    CPU,
    ENVIRONMENT,
    HOST,
    INSTANCE,
    K8S_CLUSTER,
    K8S_NAMESPACE,
    POD,
    SERVICE_NAMESPACE,
    shown,
)

from ..durations import format_duration
from ..matching import TAKEN, TRIGGER_LABELS
from ..model import Rule, RuleSet
from ..text import normalised, show
from .document import RuleDocument
from .located import Located, Problem
from .lock_step import lock_step, out_of_step
from .nodes import Path

#: What people write in `where:` when they mean the agents' attributes.
_ATTRIBUTES = {
    "environment": ENVIRONMENT,
    "env": ENVIRONMENT,
    "deployment_environment": ENVIRONMENT,
    "instance": INSTANCE,
    "pod": POD,
    "service": "service.name",
    "service_name": "service.name",
    "namespace": K8S_NAMESPACE,
    "k8s_namespace_name": K8S_NAMESPACE,
    "service_namespace": SERVICE_NAMESPACE,
    "cluster": K8S_CLUSTER,
    "k8s_cluster_name": K8S_CLUSTER,
    "node": HOST,
    "host": HOST,
}

#: After how long Alertmanager repeats an alert, unless its route says otherwise.
REPEAT_MS = (4 * 60 + 5) * 60 * 1000
#: Profiles that are sampled by the clock; allocations, locks and snapshots keep no step with it.
CLOCKED = frozenset({CPU, "wall"})

Advice = Iterator[tuple[Path, str]]


def advise(located: Located[RuleDocument]) -> tuple[Problem, ...]:
    """Warnings about a document, in the order of the file."""
    document = located.document
    rules = document.sampling.rule_set()
    entries = [entry.rules() for entry in document.sampling.on_alert]
    said = [*_baselines(rules), *_overlaps(entries)]
    of_alerts = (_frequency, _any_alert, _never, _limits, _where)
    rollouts = [entry.rules() for entry in document.sampling.on_rollout]
    for section, of_it, advices in (
        ("on_alert", entries, of_alerts),
        ("on_rollout", rollouts, (_frequency,)),
    ):
        for index, entry in enumerate(of_it):
            path = ("sampling", section, index)
            said += [((*path, *at), message) for at, message in _heap(entry)]
            for rule in entry:
                for advice in advices:
                    said += [((*path, *at), message) for at, message in advice(rules, rule)]
    for index, it in enumerate(rules.schedules):
        if it.kind == "boost" and CLOCKED.intersection(it.profiles or [CPU]):
            said += _step(("sampling", "schedules", index, "frequency"), it.frequency_hz)
    given = document.model_fields_set
    if not (rules.rules or rules.rollouts or rules.schedules) and "sampling" in given:
        said.append((("sampling", "on_alert"), "there are no rules, so no alert changes anything"))
    if document.fallback_strategy:
        said.append((("fallback_strategy",), "only host agents use fallback_strategy"))
    # Once each: rules of one entry share most of it.
    return tuple(sorted({located.source.problem(path, message) for path, message in said}))


def _step(path: Path, hz: int) -> Advice:
    why = lock_step(hz)
    if why:
        yield path, f"{why}; {out_of_step(hz)} Hz are not (nothing was changed)"


def _baselines(rules: RuleSet) -> Advice:
    yield from _step(("sampling", "default"), rules.baseline.default)
    for name, hz in rules.baseline.environments.items():
        yield from _step(("sampling", "environments", name), hz)
    for profile, hz in rules.baseline.profiles.items():
        if profile in CLOCKED:
            yield from _step(("sampling", "profiles", profile), hz)


def _overlaps(entries: Sequence[Sequence[Rule]]) -> Advice:
    names: dict[str, str] = {}
    first: dict[tuple[str, str], Rule] = {}
    for index, entry in enumerate(entries):
        path, rule = ("sampling", "on_alert", index), entry[0]
        raised = [(normalised(it.trigger), it.profile) for it in entry if not it.match]
        other = next((first[it] for it in raised if it in first), None)
        if other is not None:
            yield (
                (*path, "trigger"),
                f"trigger {show(rule.trigger)} is also that of rule {show(other.name)}: "
                "both apply, and agents take the higher frequency",
            )
        elif (other_name := names.get(normalised(rule.name))) is not None:
            yield (
                (*path, "name"),
                f"name {show(rule.name)} is easily taken for {show(other_name)} above",
            )
        names.setdefault(normalised(rule.name), rule.name)
        for it in raised:
            first.setdefault(it, rule)


def _heap(entry: Sequence[Rule]) -> Advice:
    """Snapshots an hour are few, and easily taken for Hz."""
    for rule in (it for it in entry if it.profile == "heap"):
        hz, lasts_ms = rule.frequency_hz, rule.duration_ms
        every_ms = round(3600 / hz) * 1000
        said = f"heap takes {hz} snapshots an hour, one every {format_duration(every_ms)}"
        if every_ms > lasts_ms:
            yield ("frequency",), f"{said}, and the boost lasts {format_duration(lasts_ms)}"
        elif len(entry) > 1:
            yield ("frequency",), f"{said}; of the other profiles, {hz} samples a second"


def _frequency(rules: RuleSet, rule: Rule) -> Advice:
    if rule.profile in CLOCKED:
        yield from _step(("frequency",), rule.frequency_hz)
    idle = [
        f"{name} ({shown(rule.profile, hz)})"
        for name, hz in _baselines_met(rules, rule)
        if hz >= rule.frequency_hz
    ]
    if idle:
        yield (
            ("frequency",),
            f"{shown(rule.profile, rule.frequency_hz)} raises nothing where the baseline is no "
            f"lower: {', '.join(idle)}",
        )


def _baselines_met(rules: RuleSet, rule: Rule) -> Iterator[tuple[str, int]]:
    """The baselines of the environments that a rule can apply to; other profiles have one each."""
    if rule.profile != CPU:
        yield rule.profile, rules.baseline.of("", rule.profile)[0]
        return
    wanted = rule.where.get(ENVIRONMENT)
    asked = [matcher for matcher in rule.match if matcher.label in rules.labels.environment]
    for name, hz in rules.baseline.environments.items():
        if wanted is not None and name not in _values(wanted):
            continue
        if rule.scope == "target" or all(matcher.matches(name) for matcher in asked):
            yield name, hz
    if wanted is None and not asked:
        yield "default", rules.baseline.default


def _values(wanted: str | tuple[str, ...]) -> tuple[str, ...]:
    return (wanted,) if isinstance(wanted, str) else wanted


def _any_alert(_rules: RuleSet, rule: Rule) -> Advice:
    """With matchers the trigger is only a name, which is easily forgotten."""
    if rule.match and not any(matcher.label in TRIGGER_LABELS for matcher in rule.match):
        yield (
            ("match",),
            f"with match, trigger {show(rule.trigger)} is only a name: any alert with these labels "
            'boosts; add alertname="...", or alertname=~".+" where any is meant',
        )


def _never(rules: RuleSet, rule: Rule) -> Advice:
    """A label that must equal a value which another matcher, or `where`, refuses."""
    for matcher in rule.match:
        value = matcher.equals
        if value is None:
            continue
        for other in rule.match:
            if other.label == matcher.label and not other.matches(value):
                yield ("match",), f"match can never fit: {matcher.text} and {other.text}"
                return
        for attribute, name in TAKEN[rule.scope]:
            if (
                attribute in rule.where
                and matcher.label in getattr(rules.labels, name)
                and value not in _values(rule.where[attribute])
            ):
                yield ("where",), f"where contradicts {matcher.text}: this rule can never apply"


def _limits(_rules: RuleSet, rule: Rule) -> Advice:
    if rule.while_firing and rule.max_duration_ms == rule.duration_ms:
        longest = format_duration(rule.max_duration_ms)
        yield (
            ("while_firing",),
            f"while_firing has nothing to renew: max_duration is {longest}, as is duration",
        )
    elif rule.while_firing and rule.duration_ms <= REPEAT_MS:
        yield (
            ("while_firing",),
            "while_firing renews a boost when Alertmanager repeats the alert: duration must exceed "
            "the route's repeat_interval and group_interval together, unless alertmanager: of "
            "upshift.yaml has its list read; where they are not set they are 4h and 5m, and "
            f"duration is {format_duration(rule.duration_ms)}",
        )
    if rule.scope == "instance" and rule.fraction < 1:
        yield (
            ("fraction",),
            "fraction of one instance is one of its processes; leave out fraction or scope",
        )


def _where(_rules: RuleSet, rule: Rule) -> Advice:
    for name in rule.where:
        meant = _ATTRIBUTES.get(name)
        if meant:
            yield (
                ("where", name),
                f"{show(name)} is a label of alerts; agents have the attribute {show(meant)}",
            )
