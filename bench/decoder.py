"""What a broker's code takes for market data, a process of its own: `python bench/decoder.py`, with the brokerfix that
is measured on PYTHONPATH. Each line of its input is a number of levels of a message; it answers with JSON: microseconds
of processor time for one level to be decoded, and to get into the consolidated book.
"""

import json
import random
import sys
import time
from typing import Any

from brokerfix.engine.engine import observe
from brokerfix.fix.incoming.reports import from_venue
from brokerfix.process.warm import SYMBOL, VENUE, warm_up

try:
    from brokerfix.live.sources import Sources
except ImportError:
    # The brokerfix of before knew no gaps.
    Sources = None  # type: ignore[assignment,misc]

LEVELS = 10_000
"""Of one measurement, in as many messages as that is."""


def messages(count: int) -> list[str]:
    """As QuickFIX gives them: the fields of an entry in the dictionary's order."""
    rng = random.Random(1)
    number = 0
    texts = []
    for seq_num in range(LEVELS // count):
        entries = []
        for _ in range(count):
            number += 1
            away = 1 + min(int(rng.expovariate(0.1)), 99)
            kind, price = (0, 15000 - away) if rng.random() < 0.5 else (1, 15000 + away)
            qty = 0 if rng.random() < 0.2 else rng.randint(1, 1000)
            action, size = (1, f"271={qty}\x01") if qty else (2, "")
            price_text = f"{price // 100}.{price % 100:02d}"
            told = f"279={action}\x01269={kind}\x0155={SYMBOL}\x01270={price_text}\x01{size}83={number}\x01"
            entries.append(told)
        head = f"8=FIX.4.4\x019=0\x0135=X\x0134={seq_num}\x0149={VENUE}\x0152=20240102-10:00:00.000\x0156=BROKER\x01"
        texts.append(f"{head}262=B1\x01268={count}\x01{''.join(entries)}10=000\x01")
    return texts


def measure(state: Any, count: int) -> tuple[float, float]:
    sources = Sources() if Sources is not None else None
    at = time.time_ns()
    texts = messages(count)
    began = time.process_time_ns()
    updates = [from_venue(text, VENUE, at, state.instruments) for text in texts]
    decoded = time.process_time_ns()
    for told in updates:
        for one in told:  # type: ignore[union-attr]
            update = one if sources is None else sources.take(state, one, at)
            observe(state, update)  # type: ignore[arg-type]
    done = time.process_time_ns()
    levels = len(texts) * count * 1000
    return (decoded - began) / levels, (done - decoded) / levels


def main() -> None:
    state = warm_up()
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(measure(state, int(line))), flush=True)


if __name__ == "__main__":
    main()
