"""`python -m aie.cli`: the command without its script."""

from aie.cli.main import main

main()
