"""Which rules an alert meets, and whom each boost would be about. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from upshift_agent.contract import (
    ENVIRONMENT,
    FLEET,
    INSTANCE,
    K8S_CLUSTER,
    K8S_NAMESPACE,
    MAX_TARGET_BYTES,
    POD,
    SERVICE_NAMESPACE,
    Where,
    check_target,
    is_plain,
    node_target,
    service_target,
    shorten,
)
from upshift_agent.contract.errors import WireError

from .guards.answer import guards_of
from .model import Claim, Matcher, Outcome, Rule, RuleSet, Scope, Trigger
from .text import nearest, normalised

#: The labels that triggers are compared with; by the second one any alert can ask for a rule.
TRIGGER_LABELS = ("alertname", "sampling_trigger")
#: Labels that name a pod; any other instance label names a service instance.
POD_LABELS = frozenset({"pod", "k8s_pod_name"})
#: What the default scope takes from an alert: the attribute, and its list in `labels:`.
SCOPED = {
    ENVIRONMENT: "environment",
    K8S_NAMESPACE: "namespace",
    SERVICE_NAMESPACE: "service_namespace",
    K8S_CLUSTER: "cluster",
}
#: The part of that which each scope takes.
TAKEN: Mapping[Scope, Sequence[tuple[str, str]]] = {
    "namespace": (*SCOPED.items(),),
    "instance": (*SCOPED.items(),),
    "environment": ((ENVIRONMENT, SCOPED[ENVIRONMENT]),),
    "target": (),
}


def named(rules: RuleSet, trigger: Trigger) -> Mapping[str, str]:
    """Return the attributes of agents that an alert names, for the default scope."""
    found = ((it, _first(trigger, getattr(rules.labels, name))) for it, name in SCOPED.items())
    return {attribute: label[1] for attribute, label in found if label}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one rule makes of an alert, and why. `result` is there when it matches."""

    rule: Rule
    matches: bool
    reason: str
    result: Claim | Outcome | None = None


def claims_of(rules: RuleSet, trigger: Trigger, *, hint: bool = True) -> list[Claim | Outcome]:
    """Return one entry for each rule that matches, in the document's order; at least one entry.

    hint: where no rule matches, say which is the nearest; that takes longer than all the rest.

    An `Outcome` says why there is no claim: `no_rule`, `no_target` or `invalid`.
    """
    found: list[int] = []
    for asked in {normalised(trigger.labels.get(name, "")) for name in TRIGGER_LABELS}:
        found += rules.by_trigger.get(asked, ())
    found += [i for i in rules.by_matchers if _misfit(rules.rules[i].match, trigger.labels) is None]
    if not found and not hint:
        return [Outcome(outcome="no_rule", reason=_NO_RULE)]
    if not found:
        triggers = tuple(rule.trigger for rule in rules.rules if not rule.match)
        reason = _why_none(trigger.name[:200], triggers, bool(rules.by_matchers))
        return [Outcome(outcome="no_rule", reason=reason)]
    return [_claim(rules, rules.rules[index], trigger) for index in sorted(found)]


def explain(rules: RuleSet, trigger: Trigger) -> list[Verdict]:
    """Return for every rule of the document why it does or does not match."""
    verdicts = []
    for rule in rules.rules:
        matches, reason = _by_matchers(rule, trigger) if rule.match else _by_trigger(rule, trigger)
        result = _claim(rules, rule, trigger) if matches else None
        if isinstance(result, Claim):
            reason += _unnamed(rules, rule, trigger)
        verdicts.append(Verdict(rule, matches, reason, result))
    return verdicts


_NO_RULE = "no rule has this trigger, or a match list that fits"


@lru_cache(maxsize=1024)  # an alert that no rule wants comes again and again
def _why_none(name: str, triggers: tuple[str, ...], matchers: bool) -> str:
    if not triggers and not matchers:
        return "there are no rules"
    reason = f"no rule has the trigger {shorten(name)}" if name else "the alert has no alertname"
    close = nearest(name, triggers)
    if close:
        reason += f"; the nearest is {shorten(close)}"
    return reason + ("; no rule's match list fits either" if matchers else "")


def _by_trigger(rule: Rule, trigger: Trigger) -> tuple[bool, str]:
    for name in TRIGGER_LABELS:
        value = trigger.labels.get(name, "")
        if normalised(value) == normalised(rule.trigger):
            return True, f"{name} is {shorten(value)}"
    wanted = f"the trigger is {shorten(rule.trigger)}"
    return False, f"{wanted}, the alertname is {shorten(trigger.name)}"


def _by_matchers(rule: Rule, trigger: Trigger) -> tuple[bool, str]:
    misfit = _misfit(rule.match, trigger.labels)
    if misfit is None:
        return True, f"{', '.join(it.text for it in rule.match)} fits"
    value = trigger.labels.get(misfit.label)
    has = f"has no label {misfit.label}" if value is None else f"has {shorten(value)}"
    return False, f"{misfit.text} is wanted, the alert {has}"


def _misfit(matchers: Sequence[Matcher], labels: Mapping[str, str]) -> Matcher | None:
    for matcher in matchers:
        if not matcher.matches(labels.get(matcher.label, "")):
            return matcher
    return None


def _claim(rules: RuleSet, rule: Rule, trigger: Trigger) -> Claim | Outcome:
    try:
        target = _target(rules, rule, trigger)
        where = _where(rules, rule, trigger)
        soft = tuple(it for it in where if it in SCOPED and it not in rule.where)
    except _NoTargetError as why:
        return Outcome(outcome="no_target", reason=str(why), rule=rule.name, profile=rule.profile)
    except WireError as why:
        return Outcome(outcome="invalid", reason=str(why), rule=rule.name, profile=rule.profile)
    guards = None
    if rule.only_if is not None or rule.stop_if is not None:
        guards = guards_of(rule.only_if, rule.stop_if, lambda name: _said(rules, trigger, name))
    return Claim(rule, trigger, target, where, soft, guards)


def _said(rules: RuleSet, trigger: Trigger, name: str) -> str | None:
    """Return what stands for a placeholder: `service`, `environment`, or `labels.` and a name."""
    kind, _, label = name.partition(".")
    if label:
        return trigger.labels.get(label)
    found = _first(trigger, getattr(rules.labels, kind))
    return found and found[1]


class _NoTargetError(Exception):
    """The alert does not say whom it is about."""


def _target(rules: RuleSet, rule: Rule, trigger: Trigger) -> str:
    if rule.target == "fleet":
        return FLEET
    if rule.target == "service":
        _, name = _named(trigger, rules.labels.service, "service")
        return _service(name)
    _, name = _named(trigger, rules.labels.node, "node")
    return check_target(node_target(_without_port(name)))


@lru_cache(maxsize=4096)
def _service(name: str) -> str:
    return check_target(service_target(name))


def _where(rules: RuleSet, rule: Rule, trigger: Trigger) -> Where:
    """The rule's own filter, and what its scope takes from the alert."""
    where = dict(rule.where)
    for attribute, value in _scope(rules, rule, trigger):
        if not is_plain(value):
            raise WireError(f"{attribute} {shorten(value)} holds a line break or the like")
        size = len(value.encode())
        if size > MAX_TARGET_BYTES:
            raise WireError(f"{attribute} has at most {MAX_TARGET_BYTES} bytes, not {size}")
        wanted = where.get(attribute, value)
        if value != wanted and value not in (wanted if isinstance(wanted, tuple) else ()):
            raise _NoTargetError(
                f"the alert is about {attribute} {shorten(value)}, "
                f"and the rule's where: wants {shorten(wanted)}"
            )
        where[attribute] = value
    return where


def _scope(rules: RuleSet, rule: Rule, trigger: Trigger) -> Iterator[tuple[str, str]]:
    for attribute, name in TAKEN[rule.scope]:
        if found := _first(trigger, getattr(rules.labels, name)):
            yield attribute, found[1]
    if rule.scope == "instance":
        label, instance = _named(trigger, rules.labels.instance, "instance")
        yield (POD if label in POD_LABELS else INSTANCE), instance


def _unnamed(rules: RuleSet, rule: Rule, trigger: Trigger) -> str:
    """What the alert could have said to narrow the boost, as the end of a sentence."""
    names = [
        name.replace("_", " ")
        for attribute, name in TAKEN[rule.scope]
        if attribute not in rule.where and not _first(trigger, getattr(rules.labels, name))
    ]
    if not names:
        return ""
    *most, last = names
    listed = f"{', '.join(most)} or {last}" if most else last
    return f"; it names no {listed}, so agents of any are meant"


def _named(trigger: Trigger, labels: Sequence[str], what: str) -> tuple[str, str]:
    found = _first(trigger, labels)
    if found is None:
        raise _NoTargetError(f"no {what}: the alert has none of the labels {', '.join(labels)}")
    return found


def _first(trigger: Trigger, labels: Sequence[str]) -> tuple[str, str] | None:
    """Return the first label that is there; an empty one is absent, as in Prometheus."""
    for label in labels:
        value = trigger.labels.get(label)
        if value:
            return label, value
    return None


def _without_port(name: str) -> str:
    """`worker-3` of `worker-3:9100`: exporters name nodes by address, agents by host name."""
    host, colon, port = name.rpartition(":")
    if not (colon and host and port.isdecimal()):
        return name
    if host.startswith("[") and host.endswith("]"):
        return host[1:-1] or name
    return name if ":" in host else host  # an IPv6 address has no port without brackets
