"""Consensus and ledger each spell out the bytes that a block and a vote consist of, as neither may
import the other's. Here they must agree."""

from aliad.consensus import beacon, block, validators, votes
from aliad.consensus.signing import Ed25519Signer
from aliad.crypto import key_from_seed, verify
from aliad.ledger import block as ledger_block
from aliad.ledger import evidence as ledger_evidence
from aliad.ledger import validators as ledger_validators
from aliad.ledger.transactions import Evidence, SignedVote
from aliad.types import Hash32, Height, Millis, NodeId, Power, View
from tests.consensus.test_wire import CERTIFICATE, HASH, NODE


def test_headers_bodies_and_beacons_have_the_same_digests() -> None:
    fields = (
        Height(7),
        Hash32(b"1" * 32),
        Millis(5),
        Hash32(b"2" * 32),
        Hash32(b"3" * 32),
        NODE,
        b"p" * 80,
        Hash32(b"4" * 32),
        Hash32(b"5" * 32),
        b"app",
    )
    ours, theirs = block.Header(*fields), ledger_block.Header(*fields)
    assert ours.digest() == ledger_block.compute_block_hash(theirs)
    commit = block.certificate_fields(CERTIFICATE)
    assert block.body_digest(CERTIFICATE, b"payload") == ledger_block.compute_body_hash(
        commit, b"payload"
    )
    assert beacon.first_beacon(HASH) == ledger_block.compute_first_beacon(HASH)
    height = Height(9)
    assert beacon.beacon_input(HASH, height, HASH) == ledger_block.get_beacon_input(
        HASH, height, HASH
    )
    assert beacon.next_beacon(HASH, height, b"beta") == ledger_block.compute_beacon(
        HASH, height, b"beta"
    )
    assert block.MAX_APP_BYTES == ledger_block.MAX_APP_BYTES
    assert block.MAX_PAYLOAD_BYTES == ledger_block.MAX_PAYLOAD_BYTES


def test_validator_sets_have_the_same_digest() -> None:
    powers = {NodeId(bytes([place]) * 32): Power(place + 1) for place in range(5)}
    ours = validators.ValidatorSet.of(validators.Validator(*each) for each in powers.items())
    theirs = ledger_validators.make_validator_set(powers)
    assert ours.digest == ledger_validators.compute_validators_hash(theirs)
    assert validators.MAX_VALIDATORS == ledger_validators.MAX_VALIDATORS
    for power in range(int(ours.total) + 1):
        assert ours.is_quorum(power) == ledger_validators.is_quorum(power, ours.total)


def test_the_ledger_accepts_the_signatures_of_contradicting_votes() -> None:
    signer = Ed25519Signer(key_from_seed(b"k" * 32))
    height, view = Height(7), View(3)

    def vote(kind: votes.Kind, block_hash: Hash32) -> SignedVote:
        layout = votes.vote_message(HASH, height, view, kind, block_hash)
        return SignedVote(int(kind), block_hash, signer.sign(votes.VOTE, HASH, layout))

    first = vote(votes.Kind.NULLIFY, Hash32(bytes(32)))
    second = vote(votes.Kind.FINALIZE, Hash32(b"x" * 32))
    evidence = Evidence(signer.node_id, HASH, height, view, first, second)
    assert ledger_evidence.is_contradiction(first, second)
    for each in (first, second):
        assert verify(ledger_evidence.get_vote_check(evidence, each, HASH))
