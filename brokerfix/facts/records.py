"""Facts: what becomes of the records themselves."""

from brokerfix.domain import DeletedFile
from brokerfix.facts.base import Fact


class RecordsDeleted(Fact, frozen=True, gc=False):
    """A file of records is deleted, by whom and under which `rule` of the configuration."""

    file: DeletedFile
    rule: str
    operator: str


class PersonalErased(Fact, frozen=True, gc=False):
    """The key of a client's personal data is destroyed, and with it every copy of them. `name` is what the data were
    kept under, a client or an account; `override` is why before its time or under a hold ("": it was due)."""

    name: str
    operator: str
    text: str
    override: str = ""
