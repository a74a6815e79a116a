"""atheris on rule documents, plans and statuses. libFuzzer's options; exit 3 without atheris."""

import sys

try:
    import atheris
except ImportError:
    sys.exit(3)

with atheris.instrument_imports(include=["upshift_agent.wire", "upshift_rules"]):
    from upshift_agent.errors import WireError
    from upshift_agent.wire import decode_plan, decode_status
    from upshift_rules.document import read_rules
    from upshift_rules.located import DocumentError

STARTS = (b"", b"sampling:\n", b'{"v":1,"target":"fleet","rev":1,"now_ms":1,"leases":[')


def once(data: bytes) -> None:
    """The first byte chooses the reader and a beginning that gets far."""
    choice = data[0] if data else 0
    text = STARTS[choice // 3 % len(STARTS)] + data[1:]
    try:
        if choice % 3 == 0:
            read_rules(text, "rules.yaml").document.sampling.rule_set()
        elif choice % 3 == 1:
            decode_plan(text, [b"secret"] if choice > 127 else [])
        else:
            decode_status(text)
    except (WireError, DocumentError):
        pass


atheris.Setup(sys.argv, once)
atheris.Fuzz()
