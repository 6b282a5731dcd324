"""The router's process: it listens for the gateway, and has a hub for each client that has been there."""

import asyncio
import logging
import time

from brokerfix.access.vouch import SECRET_BYTES
from brokerfix.router.hub import Hub
from brokerfix.router.link import Link
from brokerfix.router.log import Log, LogError
from brokerfix.router.routes import Routes
from brokerfix.router.session import Session
from brokerfix.router.state import SHARD_ANEW
from brokerfix.router.where import Configured, Where
from brokerfix.settings.addresses import address
from brokerfix.settings.schedule import trading_day
from brokerfix.settings.sections import ClientSection, Config, ConfigError

log = logging.getLogger("brokerfix.router")
SETTLE_SECONDS = 3.0
"""How long a client's Logon waits for shards at most; it is answered earlier if they are up, or can't be reached."""
TICK_SECONDS = 0.1


class Router:
    """All clients of one router."""

    def __init__(self, config: Config, where: Where | None = None) -> None:
        """Raises ConfigError where the secret can't be read."""
        assert config.router is not None
        self.config, self.section = config, config.router
        self.hubs: dict[str, Hub] = {}
        self.sessions: dict[str, Session] = {}
        self.where = where or Configured({name: account.shard for name, account in config.accounts.items()})
        self._addresses = {
            int(shard): [address(one.strip()) for one in text.split(",")] for shard, text in self.section.shards.items()
        }
        self._server: asyncio.Server | None = None
        self._ticking: asyncio.Task[None] | None = None
        self._folder = (config.path.parent / self.section.data).resolve()
        self.secret()

    async def listen(self) -> None:
        """Raises ConfigError where the address can't be had."""
        host, port = address(self.section.listen)
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(lambda: Session(self), host, port, reuse_address=True)
        except OSError as error:
            raise ConfigError(
                f"{self.config.path}: router.listen: can't listen on {host}:{port}: {error.strerror}"
            ) from error
        self._ticking = loop.create_task(self._tick())
        log.info("listening on %s:%d; shards: %s", host, port, ", ".join(self.section.shards))

    async def stop(self) -> None:
        """Log everybody out, and close."""
        if self._server is not None:
            self._server.close()
        for session in list(self.sessions.values()):
            if session.hub is not None:
                session.log_out(session.hub, "the router stops")
        deadline = time.monotonic() + SETTLE_SECONDS
        while self.sessions and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
        if self._ticking is not None:
            self._ticking.cancel()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            now = time.monotonic()
            for session in list(self.sessions.values()):
                hub = session.hub
                if hub is None:
                    continue
                with hub.guard:
                    for link in list(hub.links.values()):
                        link.tick(now)
                    session.tick(now)

    # What sessions and links ask for

    def secret(self) -> bytes:
        """What vouches for sessions, as it is now. Raises ConfigError."""
        gateway = self.config.gateway
        path = (self.config.path.parent / (self.section.secret or (gateway.secret if gateway else ""))).resolve()
        try:
            secret = path.read_bytes()
        except OSError as error:
            raise ConfigError(f"{path}: the router's secret can't be read: {error.strerror}") from error
        if len(secret) < SECRET_BYTES:
            raise ConfigError(f"{path}: the router's secret must have at least {SECRET_BYTES} bytes")
        return secret

    def day(self) -> int:
        """The trading day (YYYYMMDD) that numbers begin anew with, 0 where they never do."""
        return self.today() if self.config.broker.session_reset == "daily" else 0

    def today(self) -> int:
        return trading_day(time.time_ns(), self.config.day_start, self.config.broker.time_zone)

    def open(self, name: str, session: Session) -> Hub | None:
        """The hub of a client that logs on, or None if it can't be let in."""
        client = self._client(name)
        if client is None or name in self.sessions:
            log.warning(
                "a Logon of %s is refused: %s", name, "it is logged on" if client else "there is no such client"
            )
            return None
        try:
            hub = self.hubs.get(name) or self._hub(name, client)
        except (LogError, OSError) as error:
            log.error("%s can't be let in: %s", name, error)
            return None
        self.sessions[name] = session
        return hub

    def _client(self, name: str) -> ClientSection | None:
        return self.config.clients.get(name)

    def _hub(self, name: str, client: ClientSection) -> Hub:
        record = Log(self._folder / f"{name}.log", self.section.durability == "disk")
        routes = Routes(client.accounts, self.where.shard, list(self._addresses))
        broker = self.config.broker.name
        hub = Hub(name, broker, client, self.section, routes, record, self._open_link, self.where.learn, self.failed)
        self.hubs[name] = hub
        return hub

    def _open_link(self, hub: Hub, shard: int) -> Link:
        addresses = self._addresses.get(shard)
        if addresses is None:
            raise ConfigError(f"{self.config.path}: router.shards: there is no shard {shard}")
        if not hub.state.shard(shard).day:
            # Nothing was ever sent there.
            hub.emit(SHARD_ANEW, shard, self.today())
        return Link(hub, shard, addresses, self.secret, self.config.broker.name, self.day)

    async def shards_settled(self, hub: Hub) -> None:
        """Open the sessions with a client's shards, and wait until they are up, or can't be reached."""
        known = [shard for shard in hub.state.shards if shard in self._addresses]
        for shard in sorted({*hub.routes.shards, *known}):
            if shard not in hub.links:
                hub.links[shard] = self._open_link(hub, shard)
        waiting = [asyncio.create_task(link.settled.wait()) for link in hub.links.values()]
        _, late = await asyncio.wait(waiting, timeout=SETTLE_SECONDS)
        for task in late:
            task.cancel()

    def client_gone(self, session: Session) -> None:
        """A client's connection is closed: its sessions with shards end as it has."""
        hub = session.hub
        if hub is None or self.sessions.get(hub.name) is not session:
            return
        del self.sessions[hub.name]
        log.info("%s is gone", hub.name)
        with hub.guard:
            for link in list(hub.links.values()):
                link.close("the client has logged out" if session.ending else None)
            hub.client_gone()

    def failed(self, hub: Hub, error: Exception) -> None:
        """What is in memory of a client may not be what is on record: it is read again at its next Logon."""
        if isinstance(error, OSError | ConfigError | LogError):
            log.error("%s: its session is closed: %s", hub.name, error)
        else:
            log.error("%s: its session is closed, because of a mistake in the router", hub.name, exc_info=error)
        session = self.sessions.pop(hub.name, None)
        for link in list(hub.links.values()):
            link.close()
        hub.links.clear()
        if session is not None:
            session.drop()
        if self.hubs.get(hub.name) is hub:
            del self.hubs[hub.name]
            hub.close()
