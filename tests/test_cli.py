"""Every command as a person runs it, against a running market."""

import json
import os
import pty
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress

import pytest

from brokerfix.settings.passwords import matches
from tests.live import Market, rows, run_cli, until


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    market = Market(tmp_path_factory.mktemp("market"))
    market.start()
    market.client("ALICE").logout()
    lp = market.client("LP", market.exchange, "XNAS")
    for cl_ord_id, side, price in (("lp-sell", "2", "150.10"), ("lp-buy", "1", "149.90")):
        lp.new_order(cl_ord_id, side, "1000", "AAPL", price)
        lp.receive_until(lambda m, wanted=cl_ord_id: m.get(11) == wanted)  # type: ignore[misc]
    until(lambda: bool(rows(market, "select 1 from books where asks like '%150.10%' and bids like '%149.90%'")))
    yield market
    market.stop()


def run(market: Market, *arguments: str, code: int = 0) -> str:
    result = run_cli(*arguments, "--config", str(market.broker.config))
    assert result.returncode == code, result.stderr
    assert "Traceback" not in result.stderr
    return result.stdout if code == 0 else result.stdout + result.stderr


def order(market: Market, *terms: str, code: int = 0) -> str:
    """Send an order as ALICE, whose session goes on from run to run."""
    return run(market, "order", "--as", "ALICE", *terms, code=code)


@pytest.fixture(scope="module", autouse=True)
def session(market: Market) -> None:
    """The command line's session goes on where the test's own client of that name left off."""
    client = market.client("ALICE")
    client.logout()
    store = market.folder / "broker" / "clients" / "ALICE.json"
    store.parent.mkdir(parents=True, exist_ok=True)
    store.write_text(json.dumps([client.next_out, client.next_in]))


def test_order_prints_each_report_as_a_line(market: Market) -> None:
    lines = order(market, "buy", "100", "AAPL", "@", "150.10", "--tif", "IOC").splitlines()
    assert [line.split()[0] for line in lines] == ["NEW", "FILL"]
    assert "100 @ 150.10 on XNAS" in lines[1]


def test_order_json(market: Market) -> None:
    messages = [json.loads(line) for line in order(market, "sell", "10", "AAPL", "--tif", "IOC", "--json").splitlines()]
    assert [message["150"] for message in messages] == ["0", "F"]


def test_a_rejected_order_ends_with_code_1(market: Market) -> None:
    assert "UNKNOWN_SYMBOL" in order(market, "buy", "1", "NOPE", "@", "1", code=1)
    assert "an order is: buy|sell QTY SYMBOL" in order(market, "by", "1", "AAPL", code=2)


def test_numbers_of_another_program_are_told_with_what_to_do(market: Market) -> None:
    store = market.folder / "broker" / "clients" / "ALICE.json"
    before = store.read_text()
    order(market, "sell", "1", "AAPL", "--tif", "IOC")
    store.write_text(before)
    said = order(market, "sell", "1", "AAPL", "--tif", "IOC", code=1)
    assert "ALICE: MsgSeqNum too low, expecting" in said
    assert f"delete {store} and run `brokerfix sessions reset ALICE`" in said
    store.unlink()
    run(market, "sessions", "reset", "ALICE")
    assert order(market, "sell", "1", "AAPL", "--tif", "IOC").startswith("NEW")


def test_orders_executions_positions_book(market: Market) -> None:
    order(market, "buy", "7", "AAPL", "@", "140.00", "--tif", "GTC", "--wait", "0.2")
    until(lambda: bool(rows(market, "select 1 from child_orders where price = '140.00' and status = 'NEW'")))
    shown = json.loads(run(market, "orders", "--json"))
    assert next(row for row in shown if row["price"] == "140.00")["routes"] == "XNAS 7@140.00"
    assert json.loads(run(market, "executions", "--json"))[0]["venue"] == "XNAS"
    assert "ALICE" in run(market, "positions")
    book = json.loads(run(market, "book", "AAPL", "--json"))
    assert book["asks"][0] == {"price": "150.10", "qty": book["asks"][0]["qty"], "venue": "XNAS"}
    assert "there is no recorded book of NOPE" in run(market, "book", "NOPE", code=1)


def on_a_terminal(market: Market, columns: int, *arguments: str) -> list[str]:
    """What a command shows on a terminal that is so wide."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "brokerfix", *arguments, "--config", str(market.broker.config)]
    environment = {**os.environ, "COLUMNS": str(columns), "LINES": "50", "TERM": "dumb"}
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment):
        os.close(theirs)
        told = b""
        with suppress(OSError):  # which is how a terminal ends
            while part := os.read(ours, 1 << 16):
                told += part
    os.close(ours)
    return told.decode().splitlines()


@pytest.mark.parametrize("columns", [80, 140])
@pytest.mark.parametrize("listing", ["orders --all", "executions", "positions", "book AAPL", "sessions"])
def test_listings_are_tables_that_fit_a_terminal(market: Market, listing: str, columns: int) -> None:
    order(market, "buy", "1", "AAPL", "@", "150.10", "--tif", "IOC")
    title, head, rule, *rows = on_a_terminal(market, columns, *listing.split())
    assert title.split()[0] in (listing.split()[0], "book")
    assert set(rule.strip()) == {"─"}
    assert len(head) >= 15
    assert len(rows) >= 1
    assert all(len(line.rstrip()) <= columns and "…" not in line for line in (title, head, rule, *rows))


@pytest.mark.parametrize("listing", ["orders --all", "executions", "positions", "book AAPL", "sessions"])
def test_listings_are_lines_for_programs(market: Market, listing: str) -> None:
    head, *rows = run(market, *listing.split()).splitlines()
    assert rows
    assert {row.count("\t") for row in rows} == {head.count("\t")} != {0}


@pytest.mark.parametrize(
    "command",
    [
        "orders --all", "orders --json", "executions", "positions", "book AAPL", "book AAPL --json", "sessions",
        "rules ALICE", "halt account BOB", "order --as ALICE buy 1 AAPL @ 150.10 --tif IOC",
    ],
)  # fmt: skip
def test_that_nobody_reads_to_the_end_is_no_error(market: Market, command: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    words = [sys.executable, "-m", "brokerfix", *command.split(), "--config", str(market.broker.config)]
    result = subprocess.run(words, stdout=writing, stderr=subprocess.PIPE, text=True, timeout=30, check=False)
    os.close(writing)
    assert (result.returncode, result.stderr) == (0, "")


def test_that_nobody_reads_hides_no_other_end(market: Market) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    words = [sys.executable, "-m", "brokerfix", "check", "nowhere.toml"]
    result = subprocess.run(words, stdout=writing, stderr=subprocess.PIPE, text=True, timeout=30, check=False)
    os.close(writing)
    assert result.returncode == 1
    assert "can't be read" in result.stderr


@pytest.mark.parametrize("command", ["--version", "--help", "positions", "executions --json", "book AAPL", "check"])
def test_a_closed_output_is_no_error(market: Market, command: str) -> None:
    result = into(market, command, ">&-")
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize("command", ["--version", "--help", "executions --json", "check"])
def test_an_output_that_can_not_be_written_is_one_line(market: Market, command: str) -> None:
    result = into(market, command, "> /dev/full")
    assert (result.returncode, result.stderr) == (1, "Error: [Errno 28] No space left on device\n")


def into(market: Market, command: str, output: str) -> subprocess.CompletedProcess[str]:
    """A command whose output a shell directs somewhere."""
    config = str(market.broker.config)
    told = {"check": [config]}.get(command, [] if command.startswith("--") else ["--config", config])
    words = shlex.join([sys.executable, "-m", "brokerfix", *command.split(), *told])
    return subprocess.run(["sh", "-c", f"{words} {output}"], capture_output=True, text=True, timeout=30, check=False)


@pytest.mark.parametrize("listing", ["orders", "executions"])
@pytest.mark.parametrize("limit", ["99999999999999999999", "-1"])
def test_a_limit_has_limits(market: Market, listing: str, limit: str) -> None:
    assert "is not in the range 0<=x<=1000000000" in run(market, listing, "--limit", limit, code=2)


def test_verify(market: Market) -> None:
    result = run_cli("verify", str(market.folder / "broker"))
    assert result.returncode == 0
    assert "every invariant holds" in result.stdout
    again = json.loads(run_cli("verify", str(market.folder / "broker" / "journal"), "--json").stdout)
    assert len(again["state_hash"]) == 64
    assert again["problems"] == []
    assert "there is no journal here" in run_cli("verify", str(market.folder)).stderr


def test_verify_names_damage(market: Market) -> None:
    segment = next((market.folder / "broker" / "journal").glob("*.journal"))
    copy = market.folder / "copy"
    copy.mkdir()
    content = bytearray(segment.read_bytes())
    content[60] ^= 1
    (copy / segment.name).write_bytes(content)
    result = run_cli("verify", str(copy))
    assert result.returncode == 1
    assert "is damaged" in result.stderr


def test_check(market: Market) -> None:
    result = run_cli("check", str(market.broker.config))
    assert result.returncode == 0
    assert "ok: broker BROKER" in result.stdout
    assert "venues: XNAS" in result.stdout
    assert run_cli("check", "nowhere.toml").stderr == "Error: nowhere.toml: can't be read: No such file or directory\n"


def test_password() -> None:
    made = run_cli("password", "--password", "correct horse").stdout.strip()
    assert matches("correct horse", made)
    assert not matches("wrong", made)


def test_without_a_broker_the_commands_say_so(tmp_path_factory: pytest.TempPathFactory, market: Market) -> None:
    config = tmp_path_factory.mktemp("idle") / "broker.toml"
    config.write_text(market.broker.config.read_text().replace(f"port = {market.broker.port}", "port = 1"))
    assert "there is no database yet" in run_cli("orders", "--config", str(config)).stderr
    refused = run_cli("order", "--as", "ALICE", "buy", "1", "AAPL", "--config", str(config))
    assert refused.returncode == 1
    assert "can't connect to 127.0.0.1:1" in refused.stderr


def test_the_demo_does_not_empty_a_folder_that_is_not_its_own(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("mine")
    (folder / "thesis.txt").write_text("years of work")
    result = run_cli("demo", "--folder", str(folder))
    assert result.returncode == 1
    assert "is not empty" in result.stderr
    assert (folder / "thesis.txt").exists()


def test_digits_can_not_change_under_a_journal(market: Market, tmp_path_factory: pytest.TempPathFactory) -> None:
    copy = tmp_path_factory.mktemp("digits")
    shutil.copytree(market.folder / "broker" / "journal", copy / "broker" / "journal")
    config = copy / "broker.toml"
    config.write_text(market.broker.config.read_text().replace("price_digits = 2", "price_digits = 4"))
    result = run_cli("start", str(config))
    assert result.returncode == 1
    assert "instruments.AAPL.price_digits: is 4, but the journal was written with 2" in result.stderr


def test_demo_without_a_terminal_balances(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("demo")
    result = run_cli("demo", "--seconds", "6", "--kill", "--folder", str(folder / "demo"), timeout=60)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.rstrip().endswith("everything balances")
    assert "DIFFERENT" not in result.stdout
