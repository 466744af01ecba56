"""The records of the signer log: one's own votes, certificates, and blocks voted for."""

from collections.abc import Iterable

from aliad.consensus import wire
from aliad.consensus.block import Block
from aliad.consensus.facts import Facts
from aliad.consensus.votes import Certificate, Vote
from aliad.errors import RemoteProtocolError, StoreCorrupt
from aliad.types import Hash32, View

Record = tuple[bytes, bytes]

_BLOCK, _CERTIFICATE, _VOTE = b"b", b"c", b"v"


def block_record(block_hash: Hash32, block: Block) -> Record:
    return _BLOCK + block_hash, wire.encode_block(block)


def certificate_record(certificate: Certificate) -> Record:
    return _CERTIFICATE + _place(certificate), wire.encode_certificate(certificate)


def vote_record(vote: Vote) -> Record:
    return _VOTE + _place(vote), wire.encode(vote)


def replay(records: Iterable[Record], facts: Facts) -> None:
    """Put back what was known before the restart. The log is our own, so nothing is verified
    again, but a record that cannot be read means a vote we may have forgotten.

    Raises:
        StoreCorrupt: a record is not what this module writes.
    """
    for key, value in records:
        try:
            _replay_one(key, value, facts)
        except (RemoteProtocolError, KeyError) as error:
            raise StoreCorrupt(
                "the signer log holds a record that cannot be read",
                str(error),
                "do not restore it from a copy; start without votes for the heights it refuses",
            ) from error


def _replay_one(key: bytes, value: bytes, facts: Facts) -> None:
    if key[:1] == _BLOCK:
        facts.blocks[Hash32(key[1:])] = wire.decode_block(value)
    elif key[:1] == _CERTIFICATE:
        facts.record_certificate(wire.decode_certificate(value))
    elif key[:1] == _VOTE and isinstance(vote := wire.decode(value), Vote):
        facts.mine[View(vote.view), vote.kind] = vote
        facts.record_vote(vote)
    else:
        raise RemoteProtocolError(f"no record has the key {key!r}")


def _place(item: Vote | Certificate) -> bytes:
    return item.view.to_bytes(4, "big") + item.kind.to_bytes(1, "big")
