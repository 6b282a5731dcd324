"""What helper processes have told, and for how long it is good."""

import asyncio

from brokerfix.console.kept_told import KeptTold


def test_what_was_told_is_kept_for_a_while_and_asked_once() -> None:
    now, asked = [100.0], []

    async def run(*words: str) -> bytes:
        asked.append(words)
        await asyncio.sleep(0)
        if words == ("fail",):
            raise ValueError("no")
        return f"{len(asked)}".encode()

    async def all_of_it() -> None:
        kept = KeptTold(run, 2, lambda: now[0])
        both = await asyncio.gather(kept.ask("a", seconds=10), kept.ask("a", seconds=10))
        assert [one.output for one in both] == [b"1", b"1"]
        now[0] = 109.0
        assert await kept.ask("a", seconds=10) == (b"1", 100.0)
        assert await kept.ask("a", seconds=10, anew=True) == (b"2", 109.0)
        now[0] = 120.0
        assert await kept.ask("a", seconds=10) == (b"3", 120.0)
        for word in "bc":
            await kept.ask(word, seconds=10)
        assert (await kept.ask("a", seconds=10)).output == b"6", "only the newest are kept"
        for _ in range(2):
            try:
                await kept.ask("fail", seconds=10)
            except ValueError:
                continue
            raise AssertionError("it failed")
        assert asked.count(("fail",)) == 2, "a failure is not kept"

    asyncio.run(all_of_it())
