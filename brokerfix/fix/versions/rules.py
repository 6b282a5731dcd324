"""The dialects' rules for what clients send: reading a message, and what is wrong with it.

What QuickFIX's dictionary has checked before (required tags, types, known enum values) is not checked again.
"""

from brokerfix.fix.text import Fields, Reader
from brokerfix.fix.versions.dialect import Taken, dialect
from brokerfix.fix.versions.recode import SEVERAL, incoming

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

MOST_KEPT = 1000
"""How many combinations of deciding values a message type's rules keep the answer for."""


class Rules:
    """The dialect's rules for one message, ready to read and check it with."""

    def __init__(self, message_type: str, taken: Taken, begin_string: str) -> None:
        self.to_ours = incoming(begin_string)
        self.reader = Reader(message_type, taken.taken, taken.ignored)
        # Most messages have none of the rare tags: they are tried without first.
        usual = set(taken.taken) - set(taken.rare)
        # Values of other versions are not yet ours when they are read.
        values = {} if self.to_ours else {tag: values for tag, values in taken.values.items() if tag != SEVERAL}
        self.usual = Reader(message_type, usual, taken.ignored, values)
        self.is_checked = self.to_ours is None and int(SEVERAL) not in usual
        self.tags = HEADER_AND_TRAILER | {str(tag) for tag in (*taken.taken, *taken.ignored)}
        self.values = [(tag, frozenset(values)) for tag, values in taken.values.items() if tag != SEVERAL]
        self.several = frozenset(taken.values.get(SEVERAL, ()))
        self.conditional = taken.conditional
        self.deciding = tuple(dict.fromkeys(str(rule.when) for rule in taken.conditional if rule.when))
        self._needed: dict[tuple[str | None, ...], tuple[tuple[str, str], ...]] = {}

    def missing(self, message: Fields) -> str:
        """The first conditionally required tag that is not there, or ''."""
        deciding = tuple(map(message.get, self.deciding))
        needed = self._needed.get(deciding)
        if needed is None:
            needed = self._needed_by(deciding)
        for tag, unless in needed:
            if message.get(tag) is None and message.get(unless) is None:
                return tag
        return ""

    def _needed_by(self, deciding: tuple[str | None, ...]) -> tuple[tuple[str, str], ...]:
        """What the deciding tags' values require: (tag, the one that stands in for it). Kept for the next message that
        has the same, as long as the values are few."""
        values = dict(zip(self.deciding, deciding, strict=True))
        needed = tuple(
            (str(rule.tag), str(rule.unless))
            for rule in self.conditional
            if not rule.when or values[str(rule.when)] in rule.value_in
        )
        if len(self._needed) < MOST_KEPT:
            self._needed[deciding] = needed
        return needed

    def read(self, text: str) -> tuple[Fields, str]:
        """(the message in the words of FIX 4.4, what we do not support in it, as text, or ''). Rare tags may be left
        out of a message that has none of them."""
        unknown = ""
        message = self.usual.match(text)
        if message is not None and self.is_checked:
            return message, ""
        if message is None:
            message, is_usual = self.reader.read(text)
            if not is_usual and not message.keys() <= self.tags:
                unknown = min(message.keys() - self.tags, key=int)
        if self.to_ours is not None:
            self.to_ours(message)
        return message, self.unsupported(message, unknown)

    def unsupported(self, message: Fields, unknown: str) -> str:
        """What we do not support in the message, as text, or ''. `unknown` is the lowest tag that we do not take."""
        if unknown:
            return f"tag {unknown} is not taken"
        for tag, values in self.values:
            value = message[tag]
            if value is not None and value not in values:
                return f"tag {tag} limit={'/'.join(sorted(values))}, value={value}"
        several = message.get(SEVERAL)
        if several is not None and self.several and not self.several.issuperset(several.split(" ")):
            return f"tag {SEVERAL} limit={'/'.join(sorted(self.several))}, value={several}"
        return ""


class _Versions(dict[str, dict[str, Rules]]):
    """A version's rules are made when they are first asked for: it takes longer than all else of an import."""

    def __missing__(self, begin_string: str) -> dict[str, Rules]:
        self[begin_string] = {
            message_type: Rules(message_type, taken, begin_string)
            for message_type, taken in dialect(begin_string).incoming.items()
        }
        return self[begin_string]


RULES = _Versions()
"""BeginString -> MsgType -> the rules of what clients send."""
UNKNOWN_TYPE = Reader("[^\x01]*", (11, 262), ())


def message_type_of(text: str) -> str:
    """MsgType(35) of a message as QuickFIX writes it: the third field."""
    start = text.index("\x0135=") + 4
    return text[start : text.index("\x01", start)]
