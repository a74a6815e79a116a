"""atheris on webhooks, rule documents, plans and statuses, with the options of libFuzzer."""

import sys

try:
    import atheris
except ImportError:  # not to be had on this platform
    sys.exit(3)

from upshift_controller.errors import Refused

READERS = [
    "upshift_agent.contract",
    "upshift_rules",
    "upshift_controller.sources.alertmanager.payload",
]
with atheris.instrument_imports(include=READERS):
    from upshift_agent.contract import decode_plan, decode_status
    from upshift_agent.contract.errors import WireError
    from upshift_controller.sources.alertmanager.payload import parse_notification
    from upshift_rules.documents.document import read_rules
    from upshift_rules.documents.located import DocumentError
    from upshift_rules.matching import claims_of
    from upshift_rules.model import BadTrigger

STARTS = (
    b"",
    b"sampling:\n",
    b'{"v":1,"target":"fleet","rev":1,"now_ms":1,"leases":[',
    b'{"version":"4","alerts":[{"status":"firing","startsAt":"2026-01-31T12:00:00Z","labels":{',
)
RULES = read_rules(
    b"""sampling: {on_alert: [{trigger: a, match: ['a=~".*"'], frequency: 9, duration: 5m}]}""", ""
).document.sampling.rule_set()


def once(data: bytes) -> None:
    """The first byte chooses the reader and a beginning that gets far."""
    choice = data[0] if data else 0
    text = STARTS[choice // 4 % len(STARTS)] + data[1:]
    try:
        if choice % 4 == 0:
            read_rules(text, "rules.yaml").document.sampling.rule_set()
        elif choice % 4 == 1:
            for alert in parse_notification(text).alerts:
                if not isinstance(alert, BadTrigger):
                    claims_of(RULES, alert)
        elif choice % 4 == 2:
            decode_plan(text, [b"secret"] if choice > 127 else [])
        else:
            decode_status(text)
    except (WireError, DocumentError, Refused):
        pass


atheris.Setup(sys.argv, once)
atheris.Fuzz()
