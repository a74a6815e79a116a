"""Files → what is in force: settings, rules, tokens. All of it, or `StartRefused` and nothing."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from upshift_agent.contract import Baseline
from upshift_rules.documents.contradictions import above
from upshift_rules.documents.document import RuleDocument, read_rules
from upshift_rules.documents.located import DocumentError, Located, Problem, read_located
from upshift_rules.leases.limits import Limits
from upshift_rules.model import RuleSet, Schedule

from .errors import StartRefused
from .evidence.backends import Backend
from .sections.alertmanager import Access
from .sections.limits import LimitsEntry
from .sections.notify import Destination
from .sections.prometheus import STOP_IF_EVERY_MS, Prometheus
from .settings import MAX_FREQUENCY, Settings, check_exposure
from .storage.connect import Servers
from .web.auth import Proxy, Tokens, read_secrets
from .web.listener import tls_context

#: Looked for where no `--config` is given.
DEFAULT_FILE = "upshift.yaml"
BUILT_IN = "the built-in default"


@dataclass(frozen=True, slots=True)
class Configuration:
    """What the files say. `rules_from` names the file that the rules are of; `documents` are those
    that were read. `empty`: no file says anything."""

    settings: Settings
    rules: RuleSet
    rules_from: str
    tokens: Tokens
    secrets: tuple[bytes, ...] = field(repr=False)
    tls: ssl.SSLContext | None
    alertmanager: Access | None
    limits: Limits
    destinations: tuple[Destination, ...]
    empty: bool
    documents: tuple[Located[RuleDocument], ...] = field(repr=False)
    prometheus: Prometheus | None = None
    backend: Backend | None = None

    def __post_init__(self) -> None:
        if self.settings.redis is not None:
            Servers(self.settings.redis)  # which connects to nothing yet
        check_exposure(self.settings.listen, has_tokens=not self.tokens.none)

    @property
    def entries(self) -> int:
        """How many rules the document has; one that is for several profiles counts once."""
        return len({rule.name for rule in (*self.rules.rules, *self.rules.rollouts)})

    def lifted(self) -> list[Problem]:
        """Warnings of default limits that the settings lift."""
        return [
            document.source.problem(("limits", name), message)
            for document in self.documents[:1]
            for name, message in self.settings.limits.lifted()
        ]

    def unasked(self) -> list[Problem]:
        """Warnings of guards that nobody is asked about."""
        if self.prometheus is not None:
            return []
        return [
            document.source.problem(
                ("sampling", "on_alert", index, name),
                f"{name} is never asked unless upshift.yaml sets `prometheus:`",
            )
            for document in self.documents
            for index, entry in enumerate(document.document.sampling.on_alert)
            for name in ("only_if", "stop_if")
            if getattr(entry, name) is not None
        ]


class InForce:
    """The configuration in force. A reload puts another one in its place, whole.

    The methods are for those who need one part of it: they ask whenever they use it.
    """

    def __init__(self, configuration: Configuration) -> None:
        self.now = configuration

    def rules(self) -> RuleSet:
        return self.now.rules

    def schedules(self) -> tuple[Schedule, ...]:
        return self.now.rules.schedules

    def baseline(self) -> Baseline:
        return self.now.rules.baseline

    def on_rollout(self) -> bool:
        return bool(self.now.rules.rollouts)

    def limits(self) -> Limits:
        return self.now.limits

    def limits_in_words(self) -> str:
        return self.now.settings.limits.in_words()

    def max_new_targets(self) -> int:
        return self.now.limits.max_new_targets

    def secrets(self) -> tuple[bytes, ...]:
        return self.now.secrets

    def tokens(self) -> Tokens:
        return self.now.tokens

    def alertmanager(self) -> Access | None:
        return self.now.alertmanager

    def destinations(self) -> tuple[Destination, ...]:
        return self.now.destinations

    def prometheus(self) -> Prometheus | None:
        return self.now.prometheus

    def backend(self) -> Backend | None:
        return self.now.backend

    def stop_if_every_s(self) -> float:
        entry = self.now.settings.prometheus
        return (entry.stop_if_every if entry else STOP_IF_EVERY_MS) / 1000


def load(config: Path | None, **options: Any) -> Configuration:
    """Read the files. `options` are settings from the command line; None means not given."""
    if config is None and Path(DEFAULT_FILE).exists():
        config = Path(DEFAULT_FILE)
    try:
        if config is None:
            return built_in(**options)
        stated = read_located(_read(config), str(config), Settings)
        return _with(_beside(stated.document, config.parent), stated, options)
    except DocumentError as error:
        raise StartRefused(str(error)) from error


def built_in(**options: Any) -> Configuration:
    """What `load` makes of `options` where there is no file at all."""
    return _with(Settings(), None, options)


def _with(
    settings: Settings, stated: Located[Settings] | None, options: dict[str, Any]
) -> Configuration:
    given = {name: value for name, value in options.items() if value is not None}
    settings = settings.model_copy(update=given)
    rules = _rules(settings, stated)
    read: list[Located[RuleDocument]] = [] if stated is None else [stated]
    if rules is not stated and settings.rules is not None:
        read.append(rules)
    return Configuration(
        settings=settings,
        rules=rules.document.sampling.rule_set(),
        rules_from=rules.source.filename,
        tokens=Tokens.load(
            settings.tokens,
            certificates=settings.tls is not None and bool(settings.tls.client_ca),
            proxy=Proxy.of(settings.auth) if settings.auth else None,
        ),
        secrets=read_secrets(Path(settings.secret_file)) if settings.secret_file else (),
        tls=tls_context(settings.tls) if settings.tls else None,
        alertmanager=Access.of(settings.alertmanager) if settings.alertmanager else None,
        limits=settings.limits.limits(),
        destinations=settings.notify.destinations(),
        empty=stated is None or not stated.document.model_fields_set,
        documents=tuple(read),
        prometheus=settings.prometheus.connection() if settings.prometheus else None,
        backend=settings.backends.backend(),
    )


def _beside(settings: Settings, folder: Path) -> Settings:
    """With paths as seen from where the file is."""

    def beside(name: str | None) -> str | None:
        return None if name is None else str(folder / name)

    return settings.model_copy(
        update={
            "data": beside(settings.data),
            "backends": settings.backends.beside(beside),
            "notify": settings.notify.beside(beside),
            "record": beside(settings.record),
            "rules": beside(settings.rules),
            "secret_file": beside(settings.secret_file),
            "alertmanager": settings.alertmanager and settings.alertmanager.beside(beside),
            "tls": settings.tls
            and settings.tls.model_copy(
                update={name: beside(path) for name, path in settings.tls.model_dump().items()}
            ),
            "prometheus": settings.prometheus
            and settings.prometheus.model_copy(
                update={
                    name: beside(getattr(settings.prometheus, name))
                    for name in ("token_file", "ca_file")
                }
            ),
            "tokens": [
                token.model_copy(update={"file": beside(token.file)}) for token in settings.tokens
            ],
        }
    )


def _rules(settings: Settings, stated: Located[Settings] | None) -> Located[RuleDocument]:
    """The document that has the rules."""
    if stated is not None and "sampling" in stated.document.model_fields_set:
        return stated
    if settings.rules is None:
        default = files("upshift_rules.documents").joinpath("default.yaml")
        return _within(settings.limits, read_rules(default.read_bytes(), BUILT_IN))
    path = Path(settings.rules)
    rules = read_rules(_read(path), str(path))
    if not rules.document.model_fields_set:
        raise StartRefused(f"{path} says nothing; rules stand there under sampling:")
    return _within(settings.limits, rules)


def _within(limits: LimitsEntry, rules: Located[RuleDocument]) -> Located[RuleDocument]:
    """Rules of a file of their own, which does not say how high they may go."""
    stated = rules.source.tree.value
    sampling = stated.get("sampling") if isinstance(stated, dict) else None
    faults = above(sampling or {}, limits.max_frequency, MAX_FREQUENCY)
    problems = [rules.source.problem(("sampling", *path), message) for path, message in faults]
    if problems:
        raise DocumentError(problems)
    return rules


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise StartRefused(f"cannot read {path}: {error.strerror}") from error
