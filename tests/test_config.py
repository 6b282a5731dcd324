"""What is wrong with a configuration is told in one line: file, key, reason."""

from pathlib import Path

import pytest

from brokerfix.domain import ClientQuoting, Protection
from brokerfix.settings.load import load
from brokerfix.settings.sections import ConfigError
from brokerfix.settings.shipped import folder

BROKER = folder("config") / "broker.toml"


@pytest.mark.parametrize("path", sorted(folder("config").glob("*.toml")), ids=lambda path: path.name)
def test_every_shipped_configuration_loads(path: Path) -> None:
    config = load(path)
    assert config.instruments
    assert config.clients


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('name = "BROKER" ', 'nmae = "BROKER" ', "broker: Object contains unknown field `nmae`"),
        ("port = 9876", 'port = "9876"', "broker.port: Expected `int`, got `str`"),
        ("port = 9876", "port = 99999", "broker.port: Expected `int` <= 65535"),
        ('durability = "process"', 'durability = "maybe"', "broker.durability: Invalid enum value 'maybe'"),
        ('tick = "0.01"', 'tick = "0.001"', "instruments.AAPL.tick: 0.001 has more than 2 decimals"),
        ('lot = "1"', 'lot = "0"', "instruments.AAPL.lot: must be above 0"),
        ("price_digits = 2", "price_digits = 13", "instruments.AAPL.price_digits: Expected `int` <= 12"),
        ('open = "00:00:00"', 'open = "25:00:00"', "instruments.AAPL.open: '25:00:00' is not a time of day, HH:MM:SS"),
        ('accounts = ["ALICE"]', 'accounts = ["NOBODY"]', "clients.ALICE.accounts: there is no [accounts.NOBODY]"),
        ('cash = "1000000"', 'cash = "a lot"', "accounts.ALICE.cash: 'a lot' is not a decimal number"),
        ('fix = "FIX.4.4"', 'fix = "FIX.9"', "clients.ALICE.fix: Invalid enum value 'FIX.9'"),
        ("[venues.XNAS]", "[venue.XNAS]", "venue: no such section"),
        ('taker_fee = "0.0030"', 'taker_fee = "x"', "venues.XNAS.taker_fee: 'x' is not a decimal number"),
        ("[clients.BOB]", '[clients.BOB]\npassword_hash = "secret"', "clients.BOB.password_hash: "),
        ('name = "BROKER" ', 'name = "BROK\\u0001ER" ', "broker.name: Expected `str` matching regex"),
        ('post = "book"', 'post = "book"\nhours = 1', "instruments.MSFT: Object contains unknown field `hours`"),
        ("[clients.BOB]", "[clients.XNAS]", "clients.XNAS: has the CompIDs of the session with [venues.XNAS]"),
        ('target = "XNYS"', 'target = "XNAS"', "venues.XNYS.target: is the same session as [venues.XNAS]"),
        ("[clients.BOB]", '[clients."B OB"]', "clients.'B OB': a CompID is 1 to 32 letters"),
        ('reference = "150.00"', 'reference = "-1"', "instruments.AAPL.reference: must not be below 0"),
        ('max_order_qty = "10000"', 'max_order_qty = "-1"', "accounts.ALICE.limits.max_order_qty: must not be below 0"),
        (
            "[clients.BOB]",
            '[clients.BOB]\nquoting = { symbols = ["NONE"] }',
            "clients.BOB.quoting.symbols: there is no [instruments.NONE]",
        ),
        (
            "[clients.BOB]",
            "[clients.BOB]\nquoting = { protection = { window_ms = 1 } }",
            "clients.BOB.quoting.protection.window_ms: there is no qty, delta or fills to count in it",
        ),
        (
            "shard = 0                           # with",
            "shard = 1  # with",
            "accounts.ALICE.shard: needs [cluster] shards = true",
        ),
        ("store = true", 'store = "mysql://x"', 'broker.store: is true, false, or an address like "postgresql://'),
        (
            "store = true",
            'store = "postgresql://u:secret@h/d"',
            "broker.store: a password does not belong into this file",
        ),
        (
            "store = true",
            'store = "postgresql://u@h/d?password=x"',
            "broker.store: a password does not belong into this",
        ),
        (
            "store = true",
            'store = "postgresql://u@h/d?sslpassword=x"',
            "broker.store: a password does not belong into this",
        ),
        (
            "store = true",
            'store = "postgresql://u%3Ax@h/d"',
            "broker.store: a password does not belong into this",
        ),
        ("store = true", 'store_password_file = "x"', "broker.store_password_file: is for a store in PostgreSQL"),
        ("store_days = 0", "store_days = -1", "broker.store_days: Expected `int` >= 0"),
        ("[broker]", "[broker", "is not TOML"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, old: str, new: str, told: str) -> None:
    text = BROKER.read_text()
    assert old in text
    path = tmp_path / "broker.toml"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(ConfigError) as found:
        load(path)
    assert str(found.value).startswith(f"{path}: {told}")
    assert "\n" not in str(found.value)


def test_a_client_that_may_quote(tmp_path: Path) -> None:
    path = tmp_path / "broker.toml"
    quoting = """[clients.BOB.quoting]
symbols = ["AAPL"]
max_quotes = 5
protection = { window_ms = 1000, qty = "500", frozen_ms = 2000 }
symbol_protection = { window_ms = 500, fills = 3, sliding = true }
"""
    path.write_text(f"{BROKER.read_text()}\n{quoting}")
    own = Protection(500_000_000, fills=3, sliding=True)
    whole = Protection(10**9, qty=500, frozen=2 * 10**9)
    assert load(path).quoters == {"BOB": ClientQuoting("BOB", ("AAPL",), 5, whole, (("AAPL", own),))}


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="can't be read: No such file"):
        load(tmp_path / "none.toml")


QUEUE = """
[queues.bus]
kind = "nats"
servers = ["nats://127.0.0.1:4222"]
"""


@pytest.mark.parametrize(
    ("sections", "told"),
    [
        ('[events.a]\nqueue = "other"', "events.a.queue: there is no [queues.other]"),
        ('[events.a]\nqueue = "bus"\nkinds = ["Trades"]', "events.a.kinds: there is no Trades: `brokerfix schema"),
        ('[events.a]\nqueue = "bus"\naccounts = ["NOBODY"]', "events.a.accounts: there is no [accounts.NOBODY]"),
        (
            '[events.a]\nqueue = "bus"\n[events.b]\nqueue = "bus"\nkinds = ["Trade"]',
            "events.b.subject: brokerfix at the queue bus is that of events.a already",
        ),
    ],
)
def test_what_is_wrong_with_an_event_stream(tmp_path: Path, sections: str, told: str) -> None:
    path = tmp_path / "broker.toml"
    path.write_text(BROKER.read_text() + QUEUE + sections)
    with pytest.raises(ConfigError) as error:
        load(path)
    assert str(error.value).startswith(f"{path}: {told}")


def test_two_event_streams_at_one_queue(tmp_path: Path) -> None:
    path = tmp_path / "broker.toml"
    two = '[events.a]\nqueue = "bus"\n[events.b]\nqueue = "bus"\nsubject = "trades"\nkinds = ["Trade"]'
    path.write_text(BROKER.read_text() + QUEUE + two)
    assert [section.subject for section in load(path).events.values()] == ["brokerfix", "trades"]


QUEUED = """
[queues.bus]
kind = "nats"
servers = ["nats://127.0.0.1:4222"]
[orders_from.desk]
queue = "bus"
api_keys = ["one"]
[api_keys.one]
hash = "sha256:{}"
client = "CAROL"
[api_keys.two]
hash = "sha256:{}"
client = "CAROL"
""".format("1" * 64, "2" * 64)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('queue = "bus"', 'queue = "none"', "orders_from.desk.queue: there is no [queues.none]"),
        ('api_keys = ["one"]', 'api_keys = ["none"]', "orders_from.desk.api_keys: there is no [api_keys.none]"),
        ('api_keys = ["one"]', "api_keys = []", "orders_from.desk.api_keys: Expected `array` of length >= 1"),
        (
            "[api_keys.one]",
            '[orders_from.other]\nqueue = "bus"\nsubject = "x"\napi_keys = ["one"]\n[api_keys.one]',
            "orders_from.other.api_keys: one is of orders_from.desk already",
        ),
        (
            "[api_keys.one]",
            '[orders_from.other]\nqueue = "bus"\napi_keys = ["two"]\n[api_keys.one]',
            "orders_from.other.subject: orders_from.desk takes the orders of brokerfix already",
        ),
        (
            "[api_keys.one]",
            '[orders_from.other]\nqueue = "bus"\nsubject = "x"\napi_keys = ["two"]\n[api_keys.one]',
            "api_keys.two.client: CAROL's session can be used by one door: key one is of orders_from.desk, "
            "two of orders_from.other",
        ),
        (
            "[api_keys.one]",
            "[http]\nport = 9880\n[api_keys.one]",
            "api_keys.two.client: CAROL's session can be used by one door: key one is of orders_from.desk, two of http",
        ),
    ],
)
def test_an_api_keys_client_has_one_door(tmp_path: Path, old: str, new: str, told: str) -> None:
    path = tmp_path / "broker.toml"
    path.write_text(BROKER.read_text() + QUEUED)
    assert list(load(path).http_keys) == ["two"]
    path.write_text(BROKER.read_text() + QUEUED.replace(old, new, 1))
    with pytest.raises(ConfigError) as found:
        load(path)
    assert str(found.value).startswith(f"{path}: {told}")
