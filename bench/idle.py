"""What the loop's rests cost and what they spare: `python bench/idle.py`.

Brokers with `idle = "spin"` and with the default, in short turns of one run; the load sleeps while it waits. Paced is
one order about each 5 ms, as people and their tools send them; a burst is one order right behind the other's report.
The silence is measured with a client logged on: the processor time of the broker's process in /proc/PID/stat.
"""

import os
import signal
import sys
import tempfile
import time
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).parent))

from roundtrip import BOOK, DIRECT, PLAIN, ROUTE, WARM_UP, Contestant, latencies, measure
from table import middle, percentile, show

SPIN, DEFAULT = "spin", "wake"
KINDS = ((BOOK, DIRECT), (ROUTE, DIRECT), (BOOK, PLAIN))


def processor_seconds(pid: int) -> float:
    """What a process has used of a processor: utime and stime of proc_pid_stat(5)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def share_of_a_core(contestant: Contestant, seconds: float) -> float:
    """What a broker takes of a processor while nothing comes."""
    contestant.server.send_signal(signal.SIGCONT)
    before, started = processor_seconds(contestant.server.pid), time.monotonic()
    time.sleep(seconds)
    found = (processor_seconds(contestant.server.pid) - before) / (time.monotonic() - started)
    contestant.server.send_signal(signal.SIGSTOP)
    return found


@click.command()
@click.option("--turns", default=10, show_default=True, help="Turns for each broker: 200 orders paced, 200 in a burst.")
@click.option("--silence", default=10.0, show_default=True, help="Seconds.")
@click.option("--disk", is_flag=True, help='Measure durability = "disk" instead of "process".')
def main(turns: int, silence: float, disk: bool) -> None:
    durability = "disk" if disk else "process"
    cases = [(title, door, idle) for title, door in KINDS for idle in (SPIN, DEFAULT)]
    with tempfile.TemporaryDirectory() as name:
        contestants = [
            Contestant(Path(name) / str(i), title, durability, WARM_UP, door, waiting=True, idle=idle)
            for i, (title, door, idle) in enumerate(cases)
        ]
        measure(contestants, 1, "latency")
        paced = [[value for turn in answers for value in turn] for answers in measure(contestants, turns, "paced")]
        bursts = latencies(contestants, turns)
        shares = [share_of_a_core(contestant, silence) for contestant in contestants]
        for contestant in contestants:
            contestant.stop()
    rows = []
    for i, (title, door, idle) in enumerate(cases):
        row = [f"{title}{door}", idle]
        for times in (paced, bursts):
            ratio = middle(times[i]) / middle(times[i // 2 * 2])
            row += [f"{middle(times[i]):.0f}", f"{percentile(times[i], 0.99):.0f}", f"{ratio:.2f}x"]
        rows.append([*row, f"{100 * shares[i]:.1f} %"])
    head = [
        "round trip",
        "idle",
        "paced p50 us",
        "p99 us",
        "ratio",
        "burst p50 us",
        "p99 us",
        "ratio",
        "core in silence",
    ]
    show(f"Idle, durability = {durability}, {turns} turns", head, rows)


if __name__ == "__main__":
    main()
