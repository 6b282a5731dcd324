"""What all pages share: the journal's tail, the people, and the operator's door, by which alone something is done."""

import asyncio
import json
import logging
import os
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from brokerfix.access.people import BadPerson, People, Person
from brokerfix.access.roles import READS, Kind, may, may_read, who_may
from brokerfix.cluster.door import ask_door
from brokerfix.console.activity import Activity
from brokerfix.console.bars import Bars
from brokerfix.console.deeds import Deeds
from brokerfix.console.feed import Feed
from brokerfix.console.gateway import GatewayFigures
from brokerfix.console.kept_told import KeptTold
from brokerfix.console.logins import Login, Logins
from brokerfix.console.refused import Refused as Refused
from brokerfix.console.reports import Reports
from brokerfix.operate.admin import ActionRefused, Answer, NotRunning, ask
from brokerfix.settings.console import ConsoleSection
from brokerfix.settings.sections import Config
from brokerfix.settings.whole import write_whole

log = logging.getLogger("brokerfix.console")

ASK_SECONDS = 5.0
DOOR_SECONDS = 8.0
"""For the agent, which writes the cluster's keys first and then asks every shard, for 3 s at most."""
TELL_SECONDS = 60.0
MOST_TOLD = 1 << 26
"""Bytes that a helper's answer may have."""
AT_ONCE = 2
"""Helpers that may work at a time."""
MOST_WAITING = 16
"""Helpers that work or wait for their turn."""
MOST_PREFERENCES = 1 << 16
SILENT = "the broker does not answer"
NO_AGENT = (
    "The cluster's agent on this machine does not answer. It runs beside the broker: see whether that runs (`brokerfix "
    "status`), and its log. At the command line `--all-shards` goes to the cluster's servers itself."
)
MOST_NOTED = 150
MOST_KEPT = 1000
"""Answers of the broker that are kept."""


class Desk:
    """One console. `section` is its part of the configuration."""

    def __init__(self, config: Config) -> None:
        assert config.console is not None
        self.config = config
        self.section: ConsoleSection = config.console
        self.zone = ZoneInfo(self.section.zone)
        self.people = People(self.section.people_file(config.path, config.data), self.section.second_factor)
        self.logins = Logins(self.section, self.people, self._ended)
        self.feed = Feed(config.data)
        self.activity, self.bars, self.deeds = Activity(), Bars(), Deeds()
        for listener in (self.activity.note, self.bars.note, self.deeds.note):
            self.feed.on(listener)
        self.gateway = GatewayFigures(config)
        self.told = KeptTold(self.run)
        self.reports = Reports(self.run, config.path)
        self._folder = config.data / "console"
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._told: dict[str, tuple[float, Answer | NotRunning | ActionRefused]] = {}
        self._asking: dict[str, asyncio.Lock] = {}
        self._helpers = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0
        # What people do never waits for what others read.
        self._acting = ThreadPoolExecutor(AT_ONCE, "act")
        self.reading = asyncio.Semaphore(AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()

    # What is asked

    async def ask(self, action: str, seconds: float = 0.5, **request: Any) -> Answer:
        """What the broker says to a question. However many pages ask, it is asked once in so many seconds. Raises
        Refused, also where it does not run."""
        asked = {"action": action, **request}
        return await self._once(
            seconds, asked, lambda: asyncio.to_thread(ask, self.config.data, asked, ASK_SECONDS), SILENT
        )

    async def ask_door(self, action: str, seconds: float = 0.5, **request: Any) -> Answer:
        """The same of the cluster's agent beside the broker, which asks all shards. Only for one of several."""
        asked = {"action": action, **request}
        return await self._once(
            seconds, {"door": asked}, lambda: ask_door(self.config.data, asked, DOOR_SECONDS), NO_AGENT
        )

    async def _once(
        self, seconds: float, asked: Mapping[str, Any], asking: Callable[[], Awaitable[Answer]], silent: str
    ) -> Answer:
        key = json.dumps(asked, sort_keys=True)
        async with self._asking.setdefault(key, asyncio.Lock()):
            at, told = self._told.get(key, (float("-inf"), NotRunning("")))
            if time.monotonic() - at > seconds:
                try:
                    told = await asking()
                except (NotRunning, ActionRefused) as error:
                    told = error
                self._told[key] = time.monotonic(), told
                self._forget()
        if isinstance(told, Exception):
            raise Refused(silent if isinstance(told, NotRunning) else f"{told}")
        return told

    def _forget(self) -> None:
        for key in list(self._told)[: max(0, len(self._told) - MOST_KEPT)]:
            del self._told[key]
            self._asking.pop(key, None)

    async def tell(self, *words: str | Path, seconds: float = TELL_SECONDS) -> Any:
        """What `brokerfix WORDS --config ... --json` prints, out of a process of its own: a long look at the journal
        keeps no page waiting. A path among the words is the configuration, of a command that takes it there. Raises
        Refused with what it says where it fails."""
        config = [] if any(isinstance(word, Path) for word in words) else ["--config", f"{self.config.path}"]
        return json.loads(await self.run(*map(str, words), *config, "--json", seconds=seconds))

    async def run(self, *words: str, seconds: float = TELL_SECONDS, codes: tuple[int, ...] = (0,)) -> bytes:
        """What `brokerfix WORDS` prints, out of a process of its own. Raises Refused with what it says where it fails,
        which is to say ends with another code than `codes`; with another one than 0 it has to print something."""
        if self._waiting >= MOST_WAITING:
            raise Refused("too much is being read now; try again")
        self._waiting += 1
        try:
            return await self._run(words, seconds, codes)
        finally:
            self._waiting -= 1

    async def _run(self, words: tuple[str, ...], seconds: float, codes: tuple[int, ...]) -> bytes:
        command = [sys.executable, "-m", "brokerfix", *words]
        async with self._helpers:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                preexec_fn=_nicely,
                limit=MOST_TOLD,
            )
            try:
                output, errors = await asyncio.wait_for(process.communicate(), seconds)
            except TimeoutError as error:
                raise Refused(
                    f"{words[0]} takes longer than {seconds:g} s; ask for less, or at the command line"
                ) from error
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()
        if process.returncode not in codes or (process.returncode and not output.strip()):
            said = errors.decode(errors="replace").strip().splitlines()
            raise Refused((said[-1] if said else f"{words[0]} failed").removeprefix("Error: "))
        return output

    # What is done

    def may(self, person: Person, action: str) -> bool:
        """Whether a person's role may do this. The broker looks at it again."""
        return may(person.role, action)

    async def act(self, person: Person, action: str, **request: Any) -> Answer:
        """Do something in a person's name. Raises Refused."""
        wanted = {name: value for name, value in request.items() if value is not None}
        asked = {"action": action, **wanted, "by": person.name, "role": person.role.value}
        try:
            answer = await asyncio.get_running_loop().run_in_executor(
                self._acting, ask, self.config.data, asked, ASK_SECONDS
            )
        except (NotRunning, ActionRefused) as error:
            raise Refused(f"{error}") from error
        self._told.clear()
        return answer

    async def act_at_door(self, person: Person, action: str, **request: Any) -> Answer:
        """Ask the cluster's agent to do something in a person's name. Raises Refused."""
        asked = {"action": action, **request, "by": person.name, "role": person.role.value}
        try:
            answer = await ask_door(self.config.data, asked, DOOR_SECONDS)
        except NotRunning as error:
            raise Refused(f"{NO_AGENT} It may be done at some shards and not at others: look at each.") from error
        except ActionRefused as error:
            raise Refused(f"{error}") from error
        self._told.clear()
        return answer

    async def note_read(self, person: Person, kind: Kind, what: str) -> None:
        """Somebody is about to read records of a kind. Raises Refused where he may not. That he does is on record;
        where the broker does not run, in the console's log."""
        what = "".join(one for one in what if one.isprintable())[:MOST_NOTED]
        log.info("%s reads %s: %s", person.name, kind.value, what)
        asked = {"action": "read", "kind": kind.value, "name": what, "by": person.name, "role": person.role.value}
        try:
            await asyncio.to_thread(ask, self.config.data, asked, ASK_SECONDS)
        except NotRunning as error:
            log.warning("not in the journal: %s", error)
        except ActionRefused as error:
            raise Refused(f"{error}") from error
        if not may_read(person.role, kind):
            raise Refused(f"the role {person.role.value} may not read this ({kind.value}); {who_may(READS[kind])} may")

    def note_login(self, name: str, what: str, text: str) -> None:
        """Put on record that somebody has logged in or out, or failed to: in a file of the console's, and in the
        journal where the broker runs and there is such a person."""
        row = {"at": datetime.now(UTC).isoformat(timespec="milliseconds"), "name": name, "what": what, "text": text}
        log.info("%s: %s %s", name, what, text)
        with (self._folder / "logins.jsonl").open("a") as file:
            file.write(json.dumps(row) + "\n")
        try:
            person = self.people.get(name)
        except BadPerson:
            person = None
        if person is not None:
            self._in_background(self._note(person, what, text))

    async def _note(self, person: Person, what: str, text: str) -> None:
        try:
            await self.act(person, "note", what=f"console {what}", text=text)
        except Refused as error:
            log.warning("%s: %s: not in the journal: %s", person.name, what, error)

    def _ended(self, login: Login, why: str) -> None:
        self.note_login(login.name, "logout", why)

    def _in_background(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # What is kept per person

    def preferences(self, name: str) -> dict[str, Any]:
        """What a person has chosen: columns, colours, symbols."""
        try:
            found = json.loads(self._preferences_of(name).read_text())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def prefer(self, name: str, chosen: Mapping[str, Any]) -> None:
        """Keep what a person has chosen."""
        text = json.dumps({**self.preferences(name), **chosen})
        if len(text) > MOST_PREFERENCES:
            return
        path = self._preferences_of(name)
        path.parent.mkdir(exist_ok=True, mode=0o700)
        write_whole(path, text.encode(), synced=False)

    def _preferences_of(self, name: str) -> Path:
        return self._folder / "preferences" / f"{name}.json"

    # How things are said

    def time(self, nanoseconds: int, date: bool = False) -> str:
        """A moment in the desk's time zone, to the millisecond."""
        moment = datetime.fromtimestamp(nanoseconds // 10**9, self.zone)
        day = f"{moment:%Y-%m-%d} " if date else ""
        return f"{day}{moment:%H:%M:%S}.{nanoseconds // 10**6 % 1000:03d}"

    def utc(self, nanoseconds: int) -> str:
        """The same in UTC."""
        moment = datetime.fromtimestamp(nanoseconds // 10**9, UTC)
        return f"{moment:%Y-%m-%d %H:%M:%S}.{nanoseconds // 10**6 % 1000:03d} UTC"


def _nicely() -> None:
    os.nice(10)
