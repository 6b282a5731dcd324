"""What a session is answered must be the same with the gateway as without: two brokers that differ in nothing else are
told the same, and their answers are compared, field by field."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from brokerfix.gateway.framing import frame
from brokerfix.tools.client import utc_now
from brokerfix.tools.demo import Process, free_port
from tests.live import INSTRUMENT, Wire, connected

VERSIONS = {"R42": "FIX.4.2", "R44": "FIX.4.4", "R50": "FIXT.1.1"}
CONFIG = """
[broker]
name = "BROKER"
port = {port}
data = "{name}"
store = false
{instrument}
[accounts.ALL]
cash = "100000000"
[clients.R42]
fix = "FIX.4.2"
accounts = ["ALL"]
[clients.R44]
accounts = ["ALL"]
[clients.R50]
fix = "FIXT.1.1"
accounts = ["ALL"]
"""
GATEWAY = """
[gateway]
plain = "127.0.0.1"
connects_per_source = { rate = 0 }
[gateway.budgets]
logons = { rate = 0 }
test_requests = { rate = 0 }
resend_requests = { rate = 0 }
"""
OWN = (9, 10, 52, 60, 122)
"""Tags of times, lengths and sums, which are never the same."""


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, int]]:
    """ "without" and "with" a gateway -> the port of that broker."""
    folder = tmp_path_factory.mktemp("same")
    processes = []
    found = {}
    for name, more in (("without", ""), ("with", GATEWAY)):
        port = found[name] = free_port()
        config = folder / f"{name}.toml"
        config.write_text(CONFIG.format(name=name, port=port, instrument=INSTRUMENT) + more)
        processes.append(Process(name, config, Path(folder / f"{name}.log"), port))
        processes[-1].start()
    yield found
    for process in processes:
        process.stop()


class Talk(Wire):
    """A connection that is told a script."""

    def log_on(self) -> dict[int, str]:
        more = ((1137, "9"),) if self.version == "FIXT.1.1" else ()
        return self.logon(1, (141, "Y"), *more)

    def say(self, line: str) -> None:
        """Send a line of a script."""
        line = line.replace("VERSION", self.version).replace("NOW", utc_now())
        if line.startswith(("8=", "35=")):
            self.socket.sendall(line.replace("|", "\x01").encode())
            return
        kind, number, *fields = line.split(" ")
        given = {field.partition("=")[0] for field in fields}
        if "ORDER" in fields:
            at = fields.index("ORDER")
            terms = ["11=o" + number, "21=1", "55=AAPL", "54=1", f"60={utc_now()}", "38=1", "40=2", "44=140.00"]
            fields[at : at + 1] = [term for term in terms if term.partition("=")[0] not in given]
        head = [f"34={number}", f"49={self.name}", f"52={utc_now()}", f"56={self.target}"]
        head = [field for field in head if field.partition("=")[0] not in given]
        body = [f"35={kind}", *head, *(field for field in fields if not field.endswith("=NONE") and field[:2] != "8=")]
        version = next((field[2:] for field in fields if field[:2] == "8="), self.version)
        self.socket.sendall(frame(version, "".join(f"{field}\x01" for field in body).encode()))

    def answers(self, last: str) -> list[str]:
        """What comes, up to the answer to a TestRequest with the id `last`, or to the connection's end."""
        found: list[str] = []
        while message := self.read():
            found.append("|".join(f"{tag}={value}" for tag, value in sorted(message.items()) if tag not in OWN))
            if message.get(112) == last:
                return found
        return [*found, "closed"]


def told(port: int, name: str, script: Sequence[str]) -> list[str]:
    """What a session that has begun anew is answered to a script. Before the next line, the answer to a TestRequest is
    waited for, unless its id is "later"."""
    with connected(port) as raw:
        talk = Talk(raw, name, VERSIONS[name])
        assert talk.log_on()[141] == "Y"
        found = []
        for line in script:
            talk.say(line)
            if line.startswith("1 ") and "112=later" not in line and "112=" in line:
                found += talk.answers(line.split("112=")[1])
        return found if END in script[-1] else found + talk.answers("")


def scripts() -> dict[str, list[str]]:
    """Title -> lines."""
    found: dict[str, list[str]] = {}
    title = ""
    for line in Path(__file__).with_name("same_answers.txt").read_text().splitlines():
        if line.startswith("    "):
            found[title].append(line[4:])
        elif line and not line.startswith("#"):
            title = line
            found[title] = []
    return found


SCRIPTS = scripts()
END = "112=end"


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("name", VERSIONS)
def test_the_gateway_changes_no_answer(ports: dict[str, int], name: str, script: str) -> None:
    lines = [line if name == "R50" else line.replace(" 1137=9", "") for line in SCRIPTS[script]]
    without, with_gateway = (told(ports[kind], name, lines) for kind in ("without", "with"))
    assert with_gateway == without
