"""Commands: what becomes of the records themselves."""

from brokerfix.commands.operator import OperatorCommand
from brokerfix.domain import DeletedFile


class DeleteRecords(OperatorCommand, frozen=True, gc=False):
    """Files are about to be deleted, under a rule of the configuration."""

    files: tuple[DeletedFile, ...]
    rule: str


class ErasePersonal(OperatorCommand, frozen=True, gc=False):
    """The personal data of a client are erased, see `PersonalErased`."""

    name: str
    text: str
    override: str = ""
