"""What is asked about the records themselves: action by action, as `Operations`."""

from collections.abc import Callable
from datetime import UTC, date, datetime

import msgspec

from brokerfix import commands as cmd
from brokerfix.access.roles import READS, Role, may_read, who_may
from brokerfix.domain import DeletedFile
from brokerfix.operate.admin import ActionRefused, Answer, Request
from brokerfix.operate.retention import plan
from brokerfix.operate.running import Running
from brokerfix.settings.load import load
from brokerfix.settings.registry import complete
from brokerfix.settings.sections import Config, ConfigError


class RecordActions:
    """The actions, by name. `done` carries a command out and raises ActionRefused where it is refused; `role` tells
    who asks now."""

    def __init__(self, broker: Running, done: Callable[[cmd.Command], Answer], role: Callable[[], Role]) -> None:
        self.broker, self._done, self._role = broker, done, role
        self.actions: dict[str, Callable[[str, Request], Answer]] = {
            "read": self._read,
            "delete-records": self._delete,
            "personal-list": self._personal_list,
            "personal-show": self._personal_show,
            "personal-set": self._personal_set,
            "personal-erase": self._personal_erase,
        }

    def _config(self) -> Config:
        """As the file is now: a hold that was put on since the start holds."""
        try:
            config = load(self.broker.config.path)
        except ConfigError as error:
            raise ActionRefused(str(error)) from error
        complete(config)
        return config

    def _today(self) -> date:
        return datetime.fromtimestamp(self.broker.clock() // 10**9, UTC).date()

    def _read(self, operator: str, request: Request) -> Answer:
        """Somebody reads records of a kind outside of this door: whether he may, and that he does."""
        kind, role = request["kind"], self._role()
        if kind not in READS:
            raise ActionRefused(f"there is no kind of records {kind!r}; there are {', '.join(READS)}")
        if not may_read(role, kind):
            told = f"the role {role.value} may not read this ({kind}); {who_may(READS[kind])} may"
            return self._done(cmd.OperatorMayNot(self.broker.clock(), operator, "read", told))
        text = f"{kind} {request.get('name', '')}".strip()
        return self._done(cmd.OperatorActs(self.broker.clock(), operator, "read", text))

    def _delete(self, operator: str, request: Request) -> Answer:
        """Records are about to be deleted by who asks: it is looked at once more whether they may be, and is on
        record."""
        try:
            files = msgspec.convert(request["settings"].get("files"), tuple[DeletedFile, ...])
        except msgspec.ValidationError as error:
            raise ActionRefused(f"files: {error}") from error
        items = {(one.what, one.name): one for one in plan(self._config(), self._today())}
        for file in files:
            item = items.get((file.what, file.name))
            if item is None:
                raise ActionRefused(f"{file.name}: it is not there, or not older than it is to be kept")
            if item.why:
                raise ActionRefused(f"{file.name}: {item.why}")
            if item.size != file.size or item.rule != request["rule"]:
                raise ActionRefused(f"{file.name}: it is not what it was when this was begun")
        self._check_order([file.name for file in files if file.what == "journal"], [name for _, name in items])
        return self._done(cmd.DeleteRecords(self.broker.clock(), operator, files, request["rule"]))

    def _personal_list(self, operator: str, request: Request) -> Answer:
        from brokerfix.operate.personal import names

        return {"names": names(self._config())}

    def _personal_show(self, operator: str, request: Request) -> Answer:
        from brokerfix.operate.personal import show

        found = show(self._config(), request["name"])
        # On record before it is told.
        self._done(cmd.OperatorActs(self.broker.clock(), operator, "personal-show", request["name"]))
        return {"personal": found}

    def _personal_set(self, operator: str, request: Request) -> Answer:
        from brokerfix.operate.personal import put

        fields = put(self._config(), request["name"], request["settings"])
        text = f"{request['name']}: {', '.join(fields)}"
        return self._done(cmd.OperatorActs(self.broker.clock(), operator, "personal-set", text))

    def _personal_erase(self, operator: str, request: Request) -> Answer:
        from brokerfix.operate.personal import erase, may_erase

        config, name, override = self._config(), request["name"], request.get("override", "")
        may_erase(config, self.broker.state, name, self._today(), override)
        # On record first: what is erased can't be told again.
        answer = self._done(cmd.ErasePersonal(self.broker.clock(), operator, name, request["text"], override))
        erase(config, name)
        return answer

    def _check_order(self, names: list[str], known: list[str]) -> None:
        """The journal goes from its begin."""
        if names != known[: len(names)]:
            raise ActionRefused(f"{names[0]}: the journal's oldest days go first")
