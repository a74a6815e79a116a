"""`python -m upshift_controller`: the `upshift` command."""

from .cli import main

main()
