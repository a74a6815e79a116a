"""`python -m upshift_host` is `upshift-agent`."""

from .cli import main

main()
