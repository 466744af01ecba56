"""What peers tell each other about peers on ``/aliad/peers/1``: one question, one answer.

The question also says where the asker itself listens; ``port`` stands for its listening on all
addresses of its machine, of which it cannot know which one others see.

Pure.
"""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from aliad.codec import Fields, Value, encode, open_record
from aliad.errors import RemoteProtocolError
from aliad.net.peers.addresses import MAX_ADDRESS, Address, parse_address
from aliad.peer_id import node_id_of, peer_id_of
from aliad.types import PeerId

PROTOCOL: Final = "/aliad/peers/1"
MAX_OWN: Final = 8  # addresses
MAX_INTRODUCED: Final = 32  # peers in one answer
MAX_PLACES: Final = 4  # addresses of each
MAX_QUESTION_BYTES: Final = 4 << 10
MAX_ANSWER_BYTES: Final = 64 << 10

_VERSION: Final = 1
_QUESTION: Final = 1
_ANSWER: Final = 2


@dataclass(frozen=True, slots=True)
class Question:
    """``own``: where the asker listens. ``port``: 0, or where it listens on every address."""

    own: tuple[Address, ...] = ()
    port: int = 0


@dataclass(frozen=True, slots=True)
class Introduction:
    """``peer`` is said to be found at ``places``."""

    peer: PeerId
    places: tuple[Address, ...]


def listens_at(addresses: Iterable[str]) -> Question:
    """The question of a node that listens at these multiaddrs; what peers cannot dial is left out.

    ``0.0.0.0`` and ``::`` become a port; of several such ports the first counts.
    """
    own, port = [], 0
    for text in addresses:
        parts = text.split("/")
        if len(parts) >= 5 and parts[2] in ("0.0.0.0", "::") and parts[3] == "tcp":  # noqa: S104
            port = port or int(parts[4])
            continue
        with suppress(RemoteProtocolError):
            own.append(parse_address(text)[0])
    return Question(tuple(own[:MAX_OWN]), port)


def encode_question(question: Question) -> bytes:
    """The canonical bytes."""
    own = tuple([str(address) for address in question.own])
    return encode((_VERSION, _QUESTION, own, question.port))


def decode_question(data: bytes) -> Question:
    """Raises RemoteProtocolError for anything that `encode_question` does not write."""
    fields = open_record(data, _VERSION, _QUESTION, "question", max_bytes=MAX_QUESTION_BYTES)
    question = Question(fields.items(_read_address, MAX_OWN), fields.uint(0xFFFF))
    fields.end()
    return question


def encode_answer(introductions: tuple[Introduction, ...]) -> bytes:
    """The canonical bytes."""
    entries = tuple([
        (node_id_of(one.peer), tuple([str(place) for place in one.places])) for one in introductions
    ])  # fmt: skip
    return encode((_VERSION, _ANSWER, entries))


def decode_answer(data: bytes) -> tuple[Introduction, ...]:
    """Raises RemoteProtocolError for anything that `encode_answer` does not write, or if a peer
    is introduced twice."""
    fields = open_record(data, _VERSION, _ANSWER, "answer", max_bytes=MAX_ANSWER_BYTES)
    introductions = fields.items(_read_introduction, MAX_INTRODUCED)
    fields.end()
    if len({one.peer for one in introductions}) != len(introductions):
        raise RemoteProtocolError("answer: a peer is introduced twice")
    return introductions


def _read_introduction(value: Value) -> Introduction:
    fields = Fields(value, "introduction")
    peer = peer_id_of(fields.node())
    places = fields.items(_read_address, MAX_PLACES, 1)
    fields.end()
    return Introduction(peer, places)


def _read_address(value: Value) -> Address:
    if type(value) is not str or len(value) > MAX_ADDRESS:
        raise RemoteProtocolError("an address is a text of bounded length")
    address, peer = parse_address(value)
    if peer is not None:
        raise RemoteProtocolError("an address here names no peer")
    return address
