"""What makes a block final: a certificate by the set that signs it, and a beacon that follows."""

from aliad.consensus import wire
from aliad.consensus.beacon import beacon_input, first_beacon, next_beacon
from aliad.consensus.signing import ED25519
from aliad.consensus.validators import ValidatorSet
from aliad.consensus.verification import certified_votes
from aliad.consensus.votes import Kind
from aliad.errors import RemoteProtocolError
from aliad.ledger.eras import get_validators
from aliad.ledger.genesis import Genesis, compute_genesis_hash
from aliad.ledger.state import StateReader
from aliad.node.conversion import voters_of
from aliad.store.format import HeaderView
from aliad.store.ledger_format import LedgerFormat, read_header
from aliad.types import Hash32, Height


class VoteRules(LedgerFormat):
    """Satisfies `aliad.store.sync_core.ChainRules`: the vote says what makes a block final."""

    def __init__(self, genesis: Hash32, era_blocks: int) -> None:
        self._genesis = genesis
        self._era_blocks = era_blocks

    def check_certificate(self, raw: bytes, header: HeaderView, validators: ValidatorSet) -> None:
        """Raises RemoteProtocolError unless a quorum's FINALIZE of exactly this header."""
        certificate = wire.decode_certificate(raw)
        named = (certificate.kind, certificate.height, certificate.block_hash)
        if named != (Kind.FINALIZE, header.height, header.hash):
            raise RemoteProtocolError("a certificate of something else")
        if certified_votes(certificate, self._genesis, validators, ED25519) is None:
            raise RemoteProtocolError("a certificate that is none")

    def era_end(self, height: Height) -> Height:
        """The set changes behind every ``era_blocks``-th block only."""
        return Height(-(-height // self._era_blocks) * self._era_blocks)


class VoteCheck:
    """Satisfies `aliad.store.verification.CertificateCheck`; blocks come in order from 1."""

    def __init__(self, genesis: Genesis) -> None:
        self._genesis = compute_genesis_hash(genesis)
        self._rules = VoteRules(self._genesis, genesis.params.era_blocks)
        self._beacon = first_beacon(self._genesis)

    def __call__(self, header: HeaderView, certificate: bytes, parent_state: StateReader) -> bool:
        """Whether the certificate is a quorum's FINALIZE of this block by the set in the state,
        and its beacon follows from the last one by the proposer's VRF (RFC 9381)."""
        validators = voters_of(get_validators(parent_state))
        try:
            self._rules.check_certificate(certificate, header, validators)
        except RemoteProtocolError:
            return False
        whole, _ = read_header(header.raw)
        alpha = beacon_input(self._genesis, header.height, self._beacon)
        beta = ED25519.output(whole.proposer, alpha, whole.proof)
        if whole.proposer not in validators or beta is None:
            return False
        self._beacon = next_beacon(self._beacon, header.height, beta)
        return whole.beacon == self._beacon
