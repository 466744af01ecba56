"""The ledger and the vote each describe blocks, sets, beacons and votes: byte for byte alike."""

from aliad import codec
from aliad.consensus import beacon
from aliad.consensus import block as vote_block
from aliad.consensus import validators as vote_validators
from aliad.consensus.votes import VOTE, Kind, vote_message
from aliad.ledger import block, evidence
from aliad.ledger.transactions import Evidence, SignedVote
from aliad.ledger.validators import compute_validators_hash, make_validator_set
from aliad.types import Height, Millis, NodeId, Power, Signature, View
from tests.ledger.chain import hash_of

NODES = {NodeId(hash_of("node", number)): Power(number + 1) for number in range(5)}


def test_headers_have_one_hash() -> None:
    parts = (
        Height(5),
        hash_of(1),
        Millis(7),
        hash_of(2),
        hash_of(3),
        NodeId(hash_of(4)),
        b"p" * 80,
        hash_of(5),
        hash_of(6),
        b"app",
    )
    ours = block.compute_block_hash(block.Header(*parts))
    assert ours == vote_block.Header(*parts).digest()


def test_bodies_have_one_hash() -> None:
    assert block.compute_body_hash(None, b"x") == vote_block.body_digest(None, b"x")
    assert codec.encode((1, None, b"x"))


def test_validator_sets_have_one_hash() -> None:
    members = [vote_validators.Validator(node, power) for node, power in NODES.items()]
    theirs = vote_validators.ValidatorSet.of(members).digest
    assert compute_validators_hash(make_validator_set(NODES)) == theirs


def test_the_beacon_is_one() -> None:
    assert block.compute_first_beacon(hash_of(0)) == beacon.first_beacon(hash_of(0))
    ours = block.get_beacon_input(hash_of(0), Height(3), hash_of(1))
    assert ours == beacon.beacon_input(hash_of(0), Height(3), hash_of(1))
    next_one = block.compute_beacon(hash_of(1), Height(3), b"b" * 64)
    assert next_one == beacon.next_beacon(hash_of(1), Height(3), b"b" * 64)


def test_votes_sign_one_layout() -> None:
    vote = SignedVote(int(Kind.FINALIZE), hash_of("block"), Signature(bytes(64)))
    accused = NodeId(hash_of("node", 0))
    made = Evidence(accused, hash_of("set"), Height(9), View(2), vote, vote)
    check = evidence.get_vote_check(made, vote, hash_of("genesis"))
    assert check.purpose == VOTE
    assert check.message == vote_message(
        hash_of("set"), Height(9), View(2), Kind.FINALIZE, hash_of("block")
    )
    kinds = (evidence.NOTARIZE, evidence.FINALIZE, evidence.NULLIFY)
    assert kinds == (Kind.NOTARIZE, Kind.FINALIZE, Kind.NULLIFY)
