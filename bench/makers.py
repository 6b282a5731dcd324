"""Market makers side by side on one day, through the whole engine: `python -m bench.makers [--data RECORDING]`.

A fixed spread, Avellaneda-Stoikov and GLFT quote the same size within the same bounds, each in a run of its own, with
what is estimated of the day itself (so that none of this says how they would do on another day). Without a recording
the market is generated, as the first model has it.
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

import click

sys.path.insert(0, str(Path(__file__).parent))

from table import show

from brokerfix.calibration.estimate import Settings
from brokerfix.calibration.observe import observe_file
from brokerfix.simulate.backtest import Terms
from brokerfix.simulate.day import Recorded, Source
from brokerfix.simulate.generated import Generated
from brokerfix.simulate.generated import Terms as MarketTerms
from brokerfix.simulate.queue import QUEUES
from brokerfix.simulate.recording import look
from brokerfix.simulate.replay import Terms as Scale
from brokerfix.simulate.runs import Day, Outcome, outcomes, runs_of

PLACE = "XNAS", "BTC"
VENUE = "BINANCE_SPOT"
GENERATED = MarketTerms(sigma=2.0, a=140.0, k=1.5, mid=100.0, qty=0.01, seconds=60.0, step=0.02)
MAKERS = {
    "FIXED": 'model = "fixed"\nbid_spread = "{half:.2f}"\nask_spread = "{half:.2f}"',
    "AS": 'model = "avellaneda-stoikov"\nhorizon_seconds = {horizon}\n{terms}',
    "GLFT": 'model = "glft"\n{terms}',
}
CONFIG = """
[broker]
name = "BROKER"
port = 9876
data = "var"

[instruments.BTC]
price_digits = 2
qty_digits = 5
tick = "0.01"
lot = "0.00001"

[venues.XNAS]
host = "127.0.0.1"
port = 9101
sender = "BROKER"
target = "XNAS"
"""
MAKER = """
[accounts.{name}]
cash = "1000000000"

[makers.{name}]
account = "{name}"

[makers.{name}.quotes.BTC]
place = "exchanges"
size = "0.01"
most_long = "0.1"
most_short = "-0.1"
tolerance = "{tolerance:.2f}"
"""


def configuration(sigma: float, a: float, k: float, gamma: float, horizon: float) -> str:
    """The three makers. The fixed half spread is what the others have without a position, about: 1/k."""
    terms = f"gamma = {gamma}\nsigma = {sigma}\na = {a}\nk = {k}"
    tables = [
        MAKER.format(name=name, tolerance=0.1 / k) + text.format(half=1 / k, horizon=horizon, terms=terms)
        for name, text in MAKERS.items()
    ]
    return CONFIG + "\n".join(tables)


def row(queueing: str, one: Outcome) -> list[str]:
    desk: dict[str, Any] = one.rows[0]
    money = ("pnl", "captured", "revaluation", "adverse_1s", "adverse_10s", "adverse_60s", "drawdown")
    return [
        queueing, desk["maker"], *(f"{desk[name]:.2f}" for name in money), str(desk["fills"]), f"{desk['volume']:.2f}",
        f"{desk['position_std']:.4f}", f"{desk['position_max']:.4f}", str(desk["messages"]),
        f"{one.steps / one.seconds:,.0f}",
    ]  # fmt: skip


@click.command()
@click.option("--data", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A recording.")
@click.option("--venue", default=VENUE, show_default=True, help="What of it.")
@click.option("--gamma", type=float, help="Risk aversion.  [default: 0.001, generated 0.1]")
@click.option("--horizon", type=float, help="Of Avellaneda-Stoikov, seconds.  [default: 10, generated 1]")
@click.option("--latency", default=1.0, show_default=True, help="Milliseconds one way.")
@click.option("--seed", default=1, show_default=True)
def main(data: Path | None, venue: str, gamma: float | None, horizon: float | None, latency: float, seed: int) -> None:
    with tempfile.TemporaryDirectory(prefix="brokerfix-makers-") as folder:
        path = Path(folder) / "makers.toml"
        if data is None:
            sigma, a, k = GENERATED.sigma, GENERATED.a, GENERATED.k
            path.write_text(configuration(sigma, a, k, gamma or 0.1, horizon or 1.0))
            instrument = runs_of(path, [], [], [])[0].config.instruments["BTC"]
            day = Day(list(Generated(PLACE, instrument, GENERATED, seed)), (PLACE,), GENERATED.seconds)
        else:
            estimate = observe_file(data, (venue,), Settings())[venue].estimate(venue)
            sigma, a, k = estimate.sigma, estimate.a, estimate.k
            path.write_text(configuration(sigma, a, k, gamma or 0.001, horizon or 10.0))
            contents = look(data)
            steps = list(Recorded(data, contents, {venue: [Source(PLACE, Scale("BTC", 2, 5))]}))
            day = Day(steps, (PLACE,), estimate.seconds)
        rows = []
        for queueing in QUEUES:
            terms = Terms(seed, round(latency * 1e6), round(latency * 1e6), 0, queueing)
            rows += [row(queueing, one) for one in outcomes(runs_of(path, list(MAKERS), [], []), day, terms)]
    head = ["queue", "maker", "P&L", "captured", "revaluation", "adverse 1 s", "10 s", "60 s", "drawdown", "fills",
            "volume", "position sd", "most", "messages", "events/s"]  # fmt: skip
    what = f"{venue} of a recording" if data is not None else "a generated market"
    show(f"{what}, {day.seconds:,.0f} s, sigma {sigma:.3g}, A {a:.3g}, k {k:.3g}, {latency:g} ms", head, rows)


if __name__ == "__main__":
    main()
