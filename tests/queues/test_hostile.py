"""What a sender of orders can put into a message that nobody could read, or answer."""

import time
from pathlib import Path
from struct import Struct

import pytest
from pamqp import frame as frames
from pamqp.commands import Basic
from pamqp.header import ContentHeader

from brokerfix.intake.queue import MOST_NAME, Delivery
from brokerfix.queues.away import UNREADABLE
from brokerfix.queues.rabbitmq import CONTENT_HEADER
from brokerfix.settings.load import load
from tests.live import INSTRUMENT
from tests.queues.desks import CONFIG


async def no_ack() -> None: ...


@pytest.mark.parametrize(
    ("reply_to", "number", "is_short"),
    [
        ("", "", True), ("_INBOX.1", "a" * MOST_NAME, True), ("_INBOX.1", "a" * 256, False),
        ("_INBOX." + "é" * 125, "", False),
    ],
)  # fmt: skip
def test_an_address_that_is_too_long_gets_no_answer(reply_to: str, number: str, is_short: bool) -> None:
    """NATS' servers hang up on one of 4096 bytes, and would at each try."""
    assert Delivery(b"", {}, "orders 1", no_ack, reply_to, number).has_short_names is is_short


@pytest.mark.parametrize(
    ("topic", "is_one"),
    [
        ("trial.replies", True), ("trial.replies.desk_1", True), ("trial.replies." + "x" * 240, False),
        ("trial.replies.a b", False), ("trial.replies.\0", False), ("trial.replies.\n", False), ("trial.dead", False),
    ],
)  # fmt: skip
def test_answers_go_to_what_can_be_a_topic_of_kafka(topic: str, is_one: bool, tmp_path: Path) -> None:
    from brokerfix.intake.kafka import KafkaQueue

    text = CONFIG.format(port=1, instrument=INSTRUMENT, kind="kafka", servers='["127.0.0.1:1"]', venue_port=2)
    (tmp_path / "broker.toml").write_text(text.replace('["desk", "bob", "reader", "few"]', '["desk"]') + KEY)
    assert KafkaQueue(load(tmp_path / "broker.toml"), "desk").may_reply(topic) is is_one


KEY = """
[api_keys.desk]
hash = "sha256:{}"
client = "DESK"
scopes = ["trade"]
""".format("0" * 64)
NO_WORD = b"\x02\xff\xfeS\0\0\0\x01a"


@pytest.mark.parametrize(
    ("flag", "property"),
    [
        (Basic.Properties.flags["timestamp"], Struct(">Q").pack(time.time_ns())),
        (Basic.Properties.flags["headers"], Struct(">I").pack(len(NO_WORD)) + NO_WORD),
        (Basic.Properties.flags["correlation_id"], b"\x02\xff\xfe"),
    ],
    ids=["a time in nanoseconds", "a header's name", "a text"],
)
def test_a_message_of_rabbitmq_with_what_can_not_be_decoded_has_why_instead(flag: int, property: bytes) -> None:
    payload = CONTENT_HEADER.pack(Basic.frame_id, 0, 7) + Struct(">H").pack(flag) + property
    raw = Struct(">BHI").pack(2, 1, len(payload)) + payload + b"\xce"
    _, _, header = frames.unmarshal(raw)
    assert isinstance(header, ContentHeader)
    assert (header.body_size, list(header.properties.headers or {})) == (7, [UNREADABLE])
    assert header.properties.timestamp is None
