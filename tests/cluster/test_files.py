"""What was added to a primary reaches its standbys."""

import asyncio
import json
from pathlib import Path

import nats

from brokerfix.cluster.files import Files
from brokerfix.cluster.keys import Keys, open_keys
from brokerfix.settings.registry import ADDED_CLIENTS, added_clients, keep_client
from brokerfix.settings.sections import ClientSection
from brokerfix.tools.demo import free_port
from brokerfix.tools.nats_servers import NatsServers


def test_clients_that_were_added_and_passwords_reach_the_standbys(tmp_path: Path) -> None:
    async def exchanged() -> None:
        client = await nats.connect(servers.urls[0])
        await open_keys(client.jetstream(), "files", 1)
        keys = Keys(client, "files", 5.0)
        primary, standby = Files(keys, 0, tmp_path / "a"), Files(keys, 0, tmp_path / "b")
        await primary.tell()
        await standby.take()
        assert list((tmp_path / "b").iterdir()) == []
        keep_client(tmp_path / "a", "GINA", ClientSection(accounts=("ALL",)))
        (tmp_path / "a" / "passwords.json").write_text(json.dumps({"GINA": "a hash"}))
        await primary.tell()
        await standby.take()
        assert added_clients(tmp_path / "b") == {"GINA": ClientSection(accounts=("ALL",))}
        assert json.loads((tmp_path / "b" / "passwords.json").read_text()) == {"GINA": "a hash"}
        before = (tmp_path / "b" / ADDED_CLIENTS).stat().st_mtime_ns
        await primary.tell()
        await standby.take()
        assert (tmp_path / "b" / ADDED_CLIENTS).stat().st_mtime_ns == before, "nothing was new"
        await client.close()

    for name in "ab":
        (tmp_path / name).mkdir()
    (tmp_path / "nats").mkdir()
    servers = NatsServers(tmp_path / "nats", free_port)
    servers.start()
    try:
        asyncio.run(exchanged())
    finally:
        servers.stop()
