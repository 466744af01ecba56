"""What the vote adds to an offline replay: every block was final, and every beacon was fair."""

from aliad.consensus import wire
from aliad.consensus.beacon import beacon_input, first_beacon, next_beacon
from aliad.consensus.signing import ED25519
from aliad.consensus.verification import certified_votes
from aliad.consensus.votes import Kind
from aliad.errors import RemoteProtocolError
from aliad.ledger.eras import get_validators
from aliad.ledger.genesis import Genesis, compute_genesis_hash
from aliad.ledger.state import StateReader
from aliad.node.conversion import voters_of
from aliad.store.format import HeaderView
from aliad.store.ledger_format import read_header


class VoteCheck:
    """Satisfies `aliad.store.verification.CertificateCheck`; blocks come in order from 1."""

    def __init__(self, genesis: Genesis) -> None:
        self._genesis = compute_genesis_hash(genesis)
        self._beacon = first_beacon(self._genesis)

    def __call__(self, header: HeaderView, certificate: bytes, parent_state: StateReader) -> bool:
        """Whether the certificate is a quorum's FINALIZE of this block by the set in the state,
        and its beacon follows from the last one by the proposer's VRF (RFC 9381)."""
        try:
            decoded = wire.decode_certificate(certificate)
        except RemoteProtocolError:
            return False
        validators = voters_of(get_validators(parent_state))
        named = (decoded.kind, decoded.height, decoded.block_hash)
        if named != (Kind.FINALIZE, header.height, header.hash):
            return False
        if certified_votes(decoded, self._genesis, validators, ED25519) is None:
            return False
        whole, _ = read_header(header.raw)
        alpha = beacon_input(self._genesis, header.height, self._beacon)
        beta = ED25519.output(whole.proposer, alpha, whole.proof)
        if whole.proposer not in validators or beta is None:
            return False
        self._beacon = next_beacon(self._beacon, header.height, beta)
        return whole.beacon == self._beacon
