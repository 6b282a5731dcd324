"""The command: a table, JSON, a picture, what a running broker is handed, and rounds until SIGTERM."""

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from brokerfix.calibration.estimate import Observer
from brokerfix.cli import main
from brokerfix.cli.making import hand_over
from brokerfix.operate.admin import ActionRefused, AdminSocket, NotRunning
from tests.calibration.test_observe import DAY, HEADER, line, market, write_history

CONFIG = """
[broker]
name = "BROKER"
port = 9876
data = "data"
[instruments.AAPL]
price_digits = 2
qty_digits = 0
tick = "0.01"
lot = "1"
"""
ENOUGH = {"seconds": 600.0}


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "broker.toml"
    path.write_text(CONFIG)
    (tmp_path / "data").mkdir()
    return str(path)


@pytest.fixture
def recording(tmp_path: Path) -> str:
    path = tmp_path / "day.csv"
    path.write_text("\n".join([HEADER, *map(line, market(**ENOUGH))]))
    return str(path)


def calibrate(*arguments: str) -> Any:
    return CliRunner().invoke(main, ["making", "calibrate", *arguments])


@contextmanager
def broker(data: Path, refusal: str = "") -> Iterator[list[dict[str, Any]]]:
    """The operators' socket of a broker, and what it was asked."""
    asked: list[dict[str, Any]] = []

    def handle(operator: str, request: dict[str, Any]) -> dict[str, Any]:
        asked.append(request)
        if refusal:
            raise ActionRefused(refusal)
        return {}

    door, is_over = AdminSocket(data, handle), threading.Event()

    def run() -> None:
        while not is_over.wait(0.005):
            door.poll()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield asked
    finally:
        is_over.set()
        thread.join()
        door.close()


def test_a_recording_as_a_table_and_as_json(config: str, recording: str) -> None:
    told = calibrate(config, "--data", recording, "--symbol", "AAPL")
    assert told.exit_code == 0, told.output
    names, values = (row.split("\t") for row in told.output.splitlines())
    row = dict(zip(names, values, strict=True))
    assert (row["symbol"], row["enough"]) == ("AAPL", "yes")
    (found,) = json.loads(calibrate(config, "--data", recording, "--json").output)
    assert found["symbol"] == "XNAS", "a venue, where nothing is said"
    for name, truth in (("sigma", 0.02), ("a", 1.0), ("k", 30.0)):
        assert abs(found[name] - truth) < 4 * found["errors"][name]
        assert float(row[name]) == pytest.approx(found[name], rel=1e-3)


def test_the_history_of_all_symbols_or_one(config: str, tmp_path: Path) -> None:
    assert "there is no market history yet" in calibrate(config).output
    write_history(tmp_path / "data", {DAY: market(**ENOUGH)})
    assert [one["symbol"] for one in json.loads(calibrate(config, "--json").output)] == ["AAPL"]
    told = calibrate(config, "--symbol", "MSFT")
    assert (told.exit_code, told.output) == (1, "Error: there is no history of MSFT; there is of AAPL\n")


def test_what_can_not_be_meant_is_refused(config: str, recording: str, tmp_path: Path) -> None:
    two = tmp_path / "two.csv"
    two.write_text("\n".join([HEADER, "1,X,Q,,,,1,1,2,1", "1,Y,Q,,,,1,1,2,1"]))
    for arguments, why in (
        (["--venue", "XNAS"], "--venue goes with --data"),
        (["--data", recording, "--set"], "one --symbol says what it is of"),
        (["--data", recording, "--symbol", "A", "--symbol", "B"], "one --symbol says what it is of"),
        (["--data", str(two), "--symbol", "A"], "--symbol needs one --venue of X, Y"),
        (["--data", str(two), "--venue", "Z"], "there is no venue Z; there are X, Y"),
        (["--data", str(two), "--half-life", "0"], "--half-life"),
    ):
        told = calibrate(config, *arguments)
        assert told.exit_code, arguments
        assert why in told.output


def test_the_picture_is_a_png(config: str, recording: str, tmp_path: Path) -> None:
    silent = tmp_path / "silent.csv"
    silent.write_text("\n".join([HEADER, "1,X,Q,,,,1,1,2,1"]))
    for data in (recording, str(silent)):
        path = tmp_path / "fit.png"
        told = calibrate(config, "--data", data, "--plot", str(path))
        assert told.exit_code == 0, told.output
        assert path.read_bytes()[:4] == b"\x89PNG"
        path.unlink()


def test_a_broker_is_handed_what_is_enough(config: str, recording: str, tmp_path: Path) -> None:
    arguments = (config, "--data", recording, "--symbol", "AAPL", "--set")
    told = calibrate(*arguments)
    assert told.exit_code == 1
    assert "no broker answers here" in told.output
    with broker(tmp_path / "data") as asked:
        told = calibrate(*arguments)
        assert told.output.endswith("AAPL: set\n")
        (found,) = json.loads(calibrate(config, "--data", recording, "--symbol", "AAPL", "--json").output)
    (request,) = asked
    assert all(isinstance(value, str) for value in request.values())
    assert (request["action"], request["symbol"], request["quality"]) == ("calibration", "AAPL", "enough")
    assert {name: float(request[name]) for name in ("sigma", "a", "k", "samples", "fills")} == {
        name: found[name] for name in ("sigma", "a", "k", "samples", "fills")
    }
    with broker(tmp_path / "data", "there is no AAPL") as asked:
        told = calibrate(*arguments)
        assert (told.exit_code, "Error: there is no AAPL" in told.output) == (1, True)


def test_a_broker_is_not_handed_what_is_not_enough(config: str, tmp_path: Path) -> None:
    path = tmp_path / "short.csv"
    path.write_text("\n".join([HEADER, *map(line, market(seconds=30))]))
    with broker(tmp_path / "data") as asked:
        told = calibrate(config, "--data", str(path), "--symbol", "AAPL", "--set")
    assert (told.exit_code, asked) == (1, [])
    assert "Error: AAPL: not set: too few samples of the mid: 29 of 100 needed" in told.output


def test_hand_over_says_that_there_is_no_broker(tmp_path: Path) -> None:
    with pytest.raises(NotRunning):
        hand_over(tmp_path, Observer().estimate("AAPL"))


def rounds(arguments: list[str], until: Callable[[str], bool]) -> tuple[list[str], int]:
    """The lines of a process that goes on for ever, ended by SIGTERM at one of them, and its exit code."""
    command = [sys.executable, "-m", "brokerfix", "making", "calibrate", *arguments, "--every", "0.1"]
    lines = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for told in process.stdout:
            lines.append(told)
            if until(told):
                process.send_signal(signal.SIGTERM)
                break
        lines += process.stdout
    return lines, process.returncode


def test_each_round_is_a_line_until_it_is_told_to_end(config: str, recording: str, tmp_path: Path) -> None:
    """A broker that is not there yet does not end it."""
    arguments = [config, "--data", recording, "--symbol", "AAPL", "--set"]
    count = iter(range(3))
    lines, code = rounds(arguments, lambda told: next(count) == 2)
    assert code == 0
    assert all("AAPL: sigma 0.0" in told and "not set: " in told and "is it running?" in told for told in lines)
    with broker(tmp_path / "data") as asked:
        lines, code = rounds([*arguments, "--json"], lambda told: True)
    assert (code, len(asked)) == (0, len(lines))
    assert [one["set"] for one in json.loads(lines[0])["estimates"]] == ["set"]


def test_a_history_that_is_not_there_yet_is_a_line_too(config: str, tmp_path: Path) -> None:
    def began(told: str) -> bool:
        if "there is no market history yet" in told and not (tmp_path / "data" / "market.sqlite").exists():
            write_history(tmp_path / "data", {DAY: market(**ENOUGH)})
        return "AAPL: sigma" in told

    lines, code = rounds([config], began)
    assert code == 0
    assert "there is no market history yet" in lines[0]
