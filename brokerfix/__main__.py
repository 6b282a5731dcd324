"""`python -m brokerfix` is the `brokerfix` command."""

from brokerfix.cli import main

main(prog_name="brokerfix")
