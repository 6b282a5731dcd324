"""Recorded market data, replayed as exchanges."""

import re
import signal
import tempfile
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from brokerfix.cli.base import config_of, for_people, main
from brokerfix.domain import MONEY_DIGITS
from brokerfix.settings.sections import COMP_ID

if TYPE_CHECKING:
    from brokerfix.simulate.replay import Terms

EXCHANGE = re.compile(r"(?P<venue>[^=]+)=(?P<name>[^:]+):(?P<port>[0-9]{1,5})(?::(?P<share>[0-9]*\.?[0-9]+))?")
SHIFT = re.compile(r"(?P<venue>[^=]+)=(?P<by>[+-]?[0-9]+(?:\.[0-9]+)?)")


class Exchange(NamedTuple):
    """A recorded venue as one of our exchanges, which has this share of its quantities."""

    venue: str
    name: str
    port: int
    share: Decimal


def exchange(value: str) -> Exchange:
    """BINANCE_SPOT=XNAS:9101:0.4, taken apart."""
    found = EXCHANGE.fullmatch(value)
    if found is None:
        raise click.BadParameter(f"{value!r} is not like BINANCE_SPOT=XNAS:9101 or BINANCE_SPOT=XNAS:9101:0.4")
    port, share = int(found["port"]), Decimal(found["share"] or 1)
    if not COMP_ID.fullmatch(found["name"]):
        raise click.BadParameter(f"{value!r}: {found['name']!r} is no CompID")
    if not 0 < port < 1 << 16:
        raise click.BadParameter(f"{value!r}: {port} is no port")
    if not 0 < share <= 1:
        raise click.BadParameter(f"{value!r}: a share is above 0 and at most 1, not {share}")
    return Exchange(found["venue"], found["name"], port, share)


def shift(value: str) -> tuple[str, Decimal]:
    """BINANCE_USDM=-22.5, taken apart."""
    found = SHIFT.fullmatch(value)
    if found is None:
        raise click.BadParameter(f"{value!r} is not like BINANCE_USDM=-22.5")
    return found["venue"], Decimal(found["by"])


def pace(value: str) -> float:
    """How many times as fast as recorded; 0 for max."""
    if value == "max":
        return 0.0
    try:
        speed = float(value)
    except ValueError:
        speed = 0.0
    if not 0 < speed <= 1e6:
        raise click.BadParameter(f"{value!r} is neither a factor above 0 nor max")
    return speed


@main.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--exchange",
    "exchanges",
    type=exchange,
    metavar="VENUE=COMPID:PORT[:SHARE]",
    multiple=True,
    required=True,
    help="Replay the recorded VENUE as the exchange COMPID, with a share of its quantities. Any number of them.",
)
@click.option("--symbol", required=True, help="What our instrument is called.")
@click.option("--config", help="Take the instrument's digits, tick and lot from this configuration of a broker.")
@click.option("--price-digits", type=click.IntRange(0, MONEY_DIGITS), help="Without --config: decimals of a price.")
@click.option("--qty-digits", type=click.IntRange(0, MONEY_DIGITS), help="Without --config: decimals of a quantity.")
@click.option(
    "--shift", "shifts", type=shift, metavar="VENUE=NUMBER", multiple=True, help="Add this to the VENUE's prices."
)
@click.option(
    "--speed", type=pace, metavar="FACTOR|max", default="1", show_default=True, help="max: as fast as it is taken."
)
@click.option("--loop", is_flag=True, help="Over and over.")
@click.option("--duration", type=click.FloatRange(0), default=0.0, help="End after so many seconds.")
@click.option(
    "--start-on",
    type=click.Choice(["all", "first", "logon"]),
    default="all",
    show_default=True,
    help="Begin when all have subscribed, when the first has, or when the first has logged on.",
)
@click.option(
    "--target", "targets", multiple=True, default=("BROKER",), show_default=True, help="A subscriber's CompID."
)
@click.option("--address", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option("--lose", type=click.IntRange(0), default=0, help="Leave out every n-th incremental message.")
@click.option("--stay", is_flag=True, help="Keep the sessions when the recording is over, until Ctrl-C.")
@for_people
def feed(
    file: Path, exchanges: tuple[Exchange, ...], symbol: str, config: str | None, price_digits: int | None,
    qty_digits: int | None, shifts: tuple[tuple[str, Decimal], ...], speed: float, loop: bool, duration: float,
    start_on: str, targets: tuple[str, ...], address: str, lose: int, stay: bool,
) -> None:  # fmt: skip
    """Replay the recorded market data in FILE as one or several exchanges, for a broker to subscribe to.

    FILE is CSV or JSON lines (gzipped or not) with ts_ns, venue, kind (S, D, Q, T), side, price, qty, bid, bid_qty,
    ask, ask_qty. Bids are rounded down to our tick, offers up, quantities down to our lot. Orders are refused."""
    from brokerfix.fix.session.acceptor import Acceptors
    from brokerfix.fix.session.listen import CantListen
    from brokerfix.simulate.feed import Feed, Options
    from brokerfix.simulate.recording import RecordingError, look
    from brokerfix.simulate.replay import Replica

    _check_distinct(exchanges)
    terms = terms_of(symbol, config, price_digits, qty_digits)
    try:
        contents = look(file)
    except RecordingError as error:
        raise click.ClickException(str(error)) from error
    moved = dict(shifts)
    for venue in (*moved, *(one.venue for one in exchanges)):
        if venue not in contents.kinds:
            raise click.ClickException(f"{file}: there is no venue {venue}; there are {', '.join(contents.kinds)}")
    replicas = {one.name: (one.venue, Replica(terms, moved.get(one.venue, Decimal(0)), one.share)) for one in exchanges}
    options = Options(speed, loop, duration, start_on, lose, stay)
    replayed = Feed(file, contents, replicas, options, click.echo)
    with tempfile.TemporaryDirectory(prefix="brokerfix-feed-") as folder:
        acceptors = Acceptors({one.name: one.port for one in exchanges}, targets, replayed, Path(folder))
        replayed.attach(acceptors)

        def stop(*_: object) -> None:
            replayed.running = False

        # QuickFIX resets SIGINT when it is imported, so the handlers are set here.
        signal.signal(signal.SIGINT, stop)
        signal.signal(signal.SIGTERM, stop)
        try:
            acceptors.start(address)
            for one in exchanges:
                click.echo(f"{one.name}: {one.venue} on port {one.port}, waiting for {', '.join(targets)}")
            replayed.run()
        except (CantListen, RecordingError) as error:
            raise click.ClickException(str(error)) from error
        finally:
            acceptors.close()


def terms_of(symbol: str, config: str | None, price_digits: int | None, qty_digits: int | None) -> "Terms":
    """How the instrument is quoted: as the configuration says, or with a tick and lot of one in the last digit."""
    from brokerfix.simulate.replay import Terms

    if not symbol.isascii() or not symbol.isprintable() or not 0 < len(symbol) <= 32 or " " in symbol:
        raise click.UsageError("--symbol: a symbol is up to 32 printable characters without spaces")
    if config is None:
        if price_digits is None or qty_digits is None:
            raise click.UsageError("give --config, or --price-digits and --qty-digits")
        return Terms(symbol, price_digits, qty_digits)
    if price_digits is not None or qty_digits is not None:
        raise click.UsageError("--price-digits and --qty-digits stand in the --config")
    instruments = config_of(config).instruments
    if symbol not in instruments:
        raise click.ClickException(f"{config}: there is no [instruments.{symbol}]; there are {', '.join(instruments)}")
    known = instruments[symbol]
    return Terms(symbol, known.price_digits, known.qty_digits, known.tick, known.lot)


def _check_distinct(exchanges: tuple[Exchange, ...]) -> None:
    for what, values in (("CompID", [one.name for one in exchanges]), ("port", [str(one.port) for one in exchanges])):
        twice = [value for value, count in Counter(values).items() if count > 1]
        if twice:
            raise click.UsageError(f"--exchange: the {what} {twice[0]} is given twice")
