"""FIX 4.2, 4.4 and 5.0 SP2 clients and exchanges at one broker, over real sockets."""

from collections.abc import Iterator

import pytest

from brokerfix.tools.client import Client, Message
from tests.live import Market

VERSIONS = {"42": "FIX.4.2", "44": "FIX.4.4", "50": "FIXT.1.1"}

# One exchange process to which the broker has a session in each version: three venues.
EXCHANGE = """
[broker]
name = "XNAS"
port = {port}
data = "xnas"
store = false
{instrument}
[accounts.ALL]
cash = "0"
limits = {{ buying_power = false }}
[clients.LP]
accounts = ["ALL"]
""" + "".join(f'[clients.B{v}]\nfix = "{fix}"\naccounts = ["ALL"]\n' for v, fix in VERSIONS.items())
BROKER = """
[broker]
name = "BROKER"
port = {port}
data = "broker"
store = false
{instrument}
[accounts.ALICE]
cash = "1000000000"
[clients.ALICE]
accounts = ["ALICE"]
""" + "".join(
    f'[clients.C{v}]\nfix = "{fix}"\naccounts = ["ALICE"]\n'
    f'[venues.V{v}]\nfix = "{fix}"\nhost = "127.0.0.1"\nport = {{venue_port}}\nsender = "B{v}"\ntarget = "XNAS"\n'
    for v, fix in VERSIONS.items()
)


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    market = Market(tmp_path_factory.mktemp("versions"), EXCHANGE, BROKER)
    market.start()
    yield market
    market.stop()


def report(client: Client, cl_ord_id: str, **wanted: str) -> Message:
    """The next report on the order with these tags."""
    tags = {int(tag[1:]): value for tag, value in wanted.items()}
    return client.receive_until(
        lambda m: m[35] == "8" and m[11] == cl_ord_id and all(m.get(tag) == value for tag, value in tags.items())
    )


@pytest.mark.parametrize("theirs", VERSIONS)
@pytest.mark.parametrize("ours", VERSIONS)
def test_an_order_of_any_version_lives_on_an_exchange_of_any_version(market: Market, ours: str, theirs: str) -> None:
    client = market.client(f"C{ours}", begin_string=VERSIONS[ours])
    lp = market.client("LP", market.exchange, "XNAS")
    is_42 = ours == "42"
    name = f"{ours}-{theirs}"
    client.new_order(name, "1", "100", "AAPL", "150.00", t100=f"V{theirs}")
    new = report(client, name, t150="0")
    assert (new[39], new.get(20), new[151]) == ("0", "0" if is_42 else None, "100")
    market.drain(lp)
    lp.new_order(f"lp-{name}", "2", "40", "AAPL", "150.00")
    fill = report(client, name, t150="1" if is_42 else "F")
    assert (fill[39], fill[32], fill[31], fill[14], fill[30]) == ("1", "40", "150.00", "40", f"V{theirs}")
    client.replace(f"{name}-r", name, "1", "120", "AAPL", "150.00")
    assert report(client, f"{name}-r", t150="E")[39] == "E"
    assert report(client, f"{name}-r", t150="5")[37] == new[37]
    client.status(f"{name}-r", "1", "AAPL")
    status = report(client, f"{name}-r", **({"t20": "3"} if is_42 else {"t150": "I"}))
    assert (status[39], status[151]) == ("1", "80")
    lp.new_order(f"lp2-{name}", "2", "80", "AAPL", "150.00")
    assert report(client, f"{name}-r", t150="2" if is_42 else "F")[39] == "2"
    client.cancel(f"{name}-x", f"{name}-r", "1", "AAPL")
    late = client.receive_until(lambda m: m[35] == "9")
    assert (late[11], late[102], late[39]) == (f"{name}-x", "0", "2")


@pytest.mark.parametrize("version", VERSIONS)
def test_market_data_in_every_version(market: Market, version: str) -> None:
    client = market.client(f"C{version}", begin_string=VERSIONS[version])
    market.drain(client)
    client.subscribe(f"md-{version}", ["AAPL"])
    snapshot = client.receive_until(lambda m: m[35] == "W")
    assert snapshot[262] == f"md-{version}"
    assert (270, "151.00") in client.last


@pytest.mark.parametrize("version", VERSIONS)
def test_an_order_that_is_refused_says_so_in_the_words_of_its_version(market: Market, version: str) -> None:
    client = market.client(f"C{version}", begin_string=VERSIONS[version])
    name = f"bad-{version}"
    client.new_order(name, "1", "100", "AAPL", "150.001")
    refused = report(client, name, t150="8")
    assert (refused[39], refused[103]) == ("8", "0" if version == "42" else "99")
