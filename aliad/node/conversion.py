"""One block in three shapes: the vote's objects, the ledger's objects, the store's bytes.

Vote and ledger may not import each other, so each names what it needs in its own words. The bytes
are the same, which `tests.consensus.test_ledger_agreement` holds them to.
"""

from collections.abc import Sequence

from aliad import codec
from aliad.consensus import validators as vote
from aliad.consensus import wire
from aliad.consensus.block import Block, Header, certificate_fields
from aliad.consensus.votes import Certificate
from aliad.ledger import block as ledger_block
from aliad.ledger import validators as ledger
from aliad.store.ledger_format import encode_body, read_body, read_header


def header_of_vote(header: ledger_block.Header) -> Header:
    """The vote's header with the same fields."""
    return Header(
        header.height,
        header.parent,
        header.time,
        header.validators,
        header.next_validators,
        header.proposer,
        header.proof,
        header.beacon,
        header.body,
        header.app,
    )


def header_of_ledger(header: Header) -> ledger_block.Header:
    """The ledger's header with the same fields."""
    return ledger_block.Header(
        header.height,
        header.parent,
        header.time,
        header.validators,
        header.next_validators,
        header.proposer,
        header.proof,
        header.beacon,
        header.body,
        header.app,
    )


def encode_rows(block: Block) -> tuple[bytes, bytes]:
    """Header and body as the store keeps them: the bytes that are hashed."""
    header = codec.encode((1, block.header.fields()))
    return header, encode_body(certificate_fields(block.last_commit), block.payload)


def decode_rows(header: bytes, body: bytes) -> Block:
    """The block in two rows. Raises RemoteProtocolError; that they belong together is not
    checked."""
    decoded, _ = read_header(header)
    commit, payload = read_body(body)
    last_commit = None if commit is None else wire.read_certificate(commit)
    return Block(header_of_vote(decoded), last_commit, payload)


def encode_trail(trail: Sequence[Certificate]) -> bytes:
    """Every certificate seen at a height, in one row."""
    return codec.encode((1, tuple(certificate_fields(each) for each in trail)))


def voters_of(validators: ledger.ValidatorSet) -> vote.ValidatorSet:
    """The vote's form of a set of the state."""
    return vote.ValidatorSet.of(
        vote.Validator(member.node, member.power) for member in validators.members
    )
