"""Four shards under one limit, killed and moved at random: `python -m tests.shards --seconds 120 --seed 1`.

Orders and cancels at all shards; brokers and the NATS server are killed and come back; an account moves. After every
order the shards together use no more than the firm may. At the end the limit is hit exactly, every journal agrees with
an independent count, and the account is on one shard with what it had. Exit code 1 where something is wrong.
"""

import argparse
import random
import statistics
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from brokerfix.record.audit import verify
from brokerfix.tools.client import Disconnected
from tests.cluster.shards import LIMIT, PRICE, SHARDS, Shards, until

HELD = 10
RETRY_SECONDS = 0.02


class Trial:
    """One run. `waits` are how long orders had to be sent again until they were taken, in seconds."""

    def __init__(self, shards: Shards, seed: int) -> None:
        self.shards, self.random = shards, random.Random(seed)
        self.working: list[tuple[int, str]] = []
        self.waits: list[float] = []
        self.counts = dict.fromkeys(("taken", "refused", "canceled", "kills", "server kills", "moves"), 0)
        self.used = self.highest = 0
        self.to = 0
        self.is_unsure = False

    def begin(self) -> None:
        until(lambda: self.shards.taken(0, "M", "1", HELD) and self.shards.taken(0, "B", "2", HELD))
        self.used = 2 * HELD

    def step(self) -> None:
        self._make_sure()
        what = self.random.random()
        if what < 0.80:
            self._order(self.random.choice(SHARDS), self.random.randint(1, 6))
        elif what < 0.985:
            for _ in range(self.random.randint(1, 12)):
                self._cancel()
        elif what < 0.992:
            self._kill(self.random.choice(SHARDS))
        elif what < 0.995:
            self._kill_server()
        else:
            self._move()
        self.check()

    def check(self) -> None:
        """What the reports say, and what the brokers that answer say themselves, is within the limit."""
        assert self.used <= LIMIT, f"{self.used} units are taken, and the firm may have {LIMIT}"
        self.highest = max(self.highest, self.used)

    def _make_sure(self) -> None:
        """Have the brokers say what is used, after an order whose report has not come."""
        if self.is_unsure:
            self.used = round(sum(self.shards.gross().values())) // PRICE
            self.is_unsure = False

    def _order(self, shard: int, qty: int, seconds: float = 0.5) -> bool:
        began = time.monotonic()
        while time.monotonic() < began + seconds:
            try:
                report = self.shards.order(shard, f"A{shard}", "1", qty)
            except (Disconnected, TimeoutError):
                # Whether it was taken is not known: the brokers know.
                self.is_unsure = True
                break
            else:
                if report[150] != "8":
                    self.used += qty
                    self.working.append((shard, f"{report[11]} {qty}"))
                    self.counts["taken"] += 1
                    if time.monotonic() - began > RETRY_SECONDS:
                        self.waits.append(time.monotonic() - began)
                    return True
                if "more is asked for" not in report[58] or self.used + qty > LIMIT:
                    break
            time.sleep(RETRY_SECONDS)
        self.counts["refused"] += 1
        return False

    def _cancel(self) -> None:
        if not self.working:
            return
        shard, told = self.working.pop(self.random.randrange(len(self.working)))
        name, qty = told.split()
        client = self.shards.clients[shard]
        again = f"x-{next(self.shards.numbers)}"
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with suppress(Disconnected):
                if not client.connected:
                    client.connect()
                client.cancel(again, name, "1", "AAPL")
                client.receive_until(lambda message: message.get(41) == name and message.get(150) == "4", 5)
                self.used -= int(qty)
                self.counts["canceled"] += 1
                return
            again = f"x-{next(self.shards.numbers)}"
            time.sleep(0.1)
        raise AssertionError(f"order {name} of shard {shard} can't be canceled")

    def _kill(self, shard: int) -> None:
        self.shards.kill(shard)
        self.shards.begin(shard)
        self.counts["kills"] += 1

    def _kill_server(self) -> None:
        self.shards.nats.kill(0)
        for shard in SHARDS:
            # Nobody waits for it: what a shard has it uses.
            self._order(shard, 1, 0.2)
        self.shards.nats.start()
        self.counts["server kills"] += 1

    def _move(self) -> None:
        to = self.random.choice([shard for shard in SHARDS if shard != self.to])
        asked = self.shards.run("move-account", "M", "--to", str(to), "--no-wait", shard=self.random.choice(SHARDS))
        if asked.exit_code:
            return
        self.counts["moves"] += 1
        self.to = to
        if self.random.random() < 0.5:
            self._kill(self.random.choice(SHARDS))
        until(lambda: self._is_at(to), 40)

    def _is_at(self, shard: int) -> bool:
        found = self.shards.where("M", shard)
        return bool(found) and found["shard"] == shard and not found["under_way"]

    def finish(self) -> None:
        for shard in SHARDS:
            self.shards.wait(shard)
        for client in self.shards.clients:
            # An order that was lost on its way comes again with the Logon.
            if not client.connected:
                client.connect()
            client.poll(0.5)
        self.used = round(sum(self.shards.gross().values())) // PRICE
        while self.used < LIMIT:
            assert any(self._order(shard, 1, 3) for shard in SHARDS), f"{LIMIT - self.used} units can't be had"
            self._make_sure()
        for shard in SHARDS:
            assert not self._order(shard, 1)
        assert sum(self.shards.gross().values()) == LIMIT * PRICE
        assert self.shards.parts() == LIMIT * PRICE
        until(lambda: self.shards.holdings("M") == {self.to: str(HELD)})
        for shard in SHARDS:
            found, _ = verify(self.shards.folders[shard] / "journal")
            assert found.problems == [], found.problems


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="shards-") as folder:
        shards = Shards(Path(folder))
        try:
            shards.start()
            trial = Trial(shards, asked.seed)
            trial.begin()
            deadline = time.monotonic() + asked.seconds
            while time.monotonic() < deadline:
                trial.step()
            trial.finish()
        except AssertionError as error:
            print(f"seed {asked.seed}: {error}; {trial.counts}")
            for shard in SHARDS:
                print(shard, shards.asked(shard, "parts"), shards.asked(shard, "placed"))
            return 1
        finally:
            shards.stop()
    waits = sorted(trial.waits) or [0.0]
    print(f"seed {asked.seed}: {trial.counts}; the highest use was {trial.highest} of {LIMIT} units")
    print(
        f"{len(trial.waits)} orders were sent again until their part was there: after "
        f"{statistics.median(waits) * 1000:.0f} ms in the middle, {waits[-1] * 1000:.0f} ms at most"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
