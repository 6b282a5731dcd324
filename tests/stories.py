"""What a World did as a journal, for tests of the stories that are told of it."""

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from brokerfix.cli import main
from brokerfix.domain import id_text
from brokerfix.facts import OrderAccepted, OrderRejected
from brokerfix.operate.explain_orders import order_evidence
from brokerfix.operate.order_evidence import Evidence
from brokerfix.record.journal import Journal
from tests.live import INSTRUMENT
from tests.scenario import DAY, FACTS, World, run_step

Row = dict[str, Any]


class Case:
    """What a World did, as a journal in a folder with a configuration."""

    def __init__(self, folder: Path, *steps: str, world: World | None = None) -> None:
        self.folder, self.world = folder, world or World(venues="XNAS XNYS")
        for step in ("venue XNAS up", "venue XNYS up", *steps):
            run_step(self.world, step)
        journal = Journal(folder / "data" / "journal")
        journal.open(DAY)
        for record in self.world.records:
            journal.append(FACTS.decode(record))
        journal.close()
        self.config = folder / "broker.toml"
        self.config.write_text(f'[broker]\nname = "BROKER"\nport = 9876\ndata = "data"\n{INSTRUMENT}')

    @property
    def journal(self) -> Path:
        return self.folder / "data" / "journal"

    def order(self, cl_ord_id: str) -> str:
        kinds = OrderAccepted | OrderRejected
        return next(
            id_text(fact.id) for fact in self.world.facts if isinstance(fact, kinds) and fact.cl_ord_id == cl_ord_id
        )

    def found(self, cl_ord_id: str = "C1") -> Evidence:
        return order_evidence(self.journal, self.order(cl_ord_id))

    def run(self, *words: str) -> Result:
        return CliRunner().invoke(main, ["explain", *words, "--config", str(self.config)])

    def json(self, cl_ord_id: str = "C1") -> Row:
        result = self.run(self.order(cl_ord_id), "--json")
        assert result.exit_code == 0, result.output
        found: Row = json.loads(result.stdout)
        return found

    def page(self, cl_ord_id: str = "C1") -> str:
        file = self.folder / "order.html"
        result = self.run(self.order(cl_ord_id), "--html", str(file))
        assert result.exit_code == 0, result.output
        assert f"{file}: written" in result.stderr
        return file.read_text()


SWEEP = (
    "quote XNAS AAPL bid 10@149.98 ask 60@150.00",
    "quote XNYS AAPL ask 100@150.01",
    "client ALICE new C1 buy 100 AAPL 150.02 IOC",
    "venue XNAS ack c1",
    "venue XNYS ack c2",
    "venue XNAS fill c1 60@149.99 cum 60",
    "venue XNYS fill c2 40@150.01 cum 40",
)


def only(row: Row, *names: str) -> list[Any]:
    return [row[name] for name in names]


OURS = (
    "client BOB new B1 sell 30 AAPL 150.00",
    "quote XNAS AAPL ask 20@150.01",
    "client ALICE new C1 buy 50 AAPL 150.02",
    "venue XNAS fill c1 20@150.02 cum 20",
)
