"""The dialects' rules for what clients send: reading a message, and what is wrong with it.

What QuickFIX's dictionary has checked before (required tags, types, known enum values) is not checked again.
"""

from brokerfix.fix.dialect import SPECS, Taken, dialect
from brokerfix.fix.recode import SEVERAL, incoming
from brokerfix.fix.text import Fields, Reader

HEADER_AND_TRAILER = frozenset(
    [
        "8",
        "9",
        "35",
        "49",
        "56",
        "115",
        "128",
        "90",
        "91",
        "34",
        "50",
        "142",
        "57",
        "143",
        "116",
        "144",
        "129",
        "145",
        "43",
        "97",
        "52",
        "122",
        "212",
        "213",
        "347",
        "369",
        "10",
        "93",
        "89",
        "1128",
        "1129",
        "1156",
    ]
)


class Rules:
    """The dialect's rules for one message, ready to read and check it with."""

    def __init__(self, message_type: str, taken: Taken, begin_string: str) -> None:
        self.to_ours = incoming(begin_string)
        self.reader = Reader(message_type, taken.taken, taken.ignored)
        self.tags = HEADER_AND_TRAILER | {str(tag) for tag in (*taken.taken, *taken.ignored)}
        self.values = [(tag, frozenset(values)) for tag, values in taken.values.items() if tag != SEVERAL]
        self.several = frozenset(taken.values.get(SEVERAL, ()))
        self.conditional = [
            (str(rule.tag), str(rule.when), frozenset(rule.value_in), str(rule.unless)) for rule in taken.conditional
        ]

    def missing(self, message: Fields) -> str:
        """The first conditionally required tag that is not there, or ''."""
        for tag, when, values, unless in self.conditional:
            if message[tag] is None and (when == "0" or message[when] in values) and message.get(unless) is None:
                return tag
        return ""

    def read(self, text: str) -> tuple[Fields, str]:
        """(the message in the words of FIX 4.4, the lowest tag in it that we do not take, or '')."""
        message, is_usual = self.reader.read(text)
        unknown = "" if is_usual or message.keys() <= self.tags else min(message.keys() - self.tags, key=int)
        if self.to_ours is not None:
            self.to_ours(message)
        return message, unknown

    def unsupported(self, message: Fields, unknown: str) -> str:
        """What we do not support in the message, as text, or ''."""
        if unknown:
            return f"UNSUPPORTED: tag {unknown} is not taken"
        for tag, values in self.values:
            value = message[tag]
            if value is not None and value not in values:
                return f"UNSUPPORTED: tag {tag} limit={'/'.join(sorted(values))}, value={value}"
        several = message.get(SEVERAL)
        if several is not None and self.several and not self.several.issuperset(several.split(" ")):
            return f"UNSUPPORTED: tag {SEVERAL} limit={'/'.join(sorted(self.several))}, value={several}"
        return ""


RULES = {
    begin_string: {
        message_type: Rules(message_type, taken, begin_string)
        for message_type, taken in dialect(begin_string).incoming.items()
    }
    for begin_string in SPECS
}
UNKNOWN_TYPE = Reader("[^\x01]*", (11, 262), ())


def message_type_of(text: str) -> str:
    """MsgType(35) of a message as QuickFIX writes it: the third field."""
    start = text.index("\x0135=") + 4
    return text[start : text.index("\x01", start)]
