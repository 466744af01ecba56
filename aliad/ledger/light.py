"""Light verification: from one header that is trusted to the newest, without executing a block.

Headers are linked by hashes and each names the set that signs the next one. A certificate of the
last header of an era therefore covers the whole era, and one certificate per change of the set plus
the newest is all that must be checked.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from aliad.errors import RemoteProtocolError
from aliad.ledger.block import Header, check_header, compute_block_hash
from aliad.ledger.validators import ValidatorSet, compute_validators_hash, is_valid_validator_set
from aliad.types import Hash32, Height


class CertificateCheck(Protocol):
    """The vote's own knowledge of what proves that a block is final."""

    def __call__(
        self, certificate: bytes, height: Height, block: Hash32, validators: ValidatorSet
    ) -> bool:
        """Whether ``certificate`` is a quorum's FINALIZE of ``block`` at ``height``."""
        ...


@dataclass(frozen=True, slots=True)
class TrustedTip:
    """A final header and the set that signs the next one."""

    header: Header
    validators: ValidatorSet


def verify_headers(
    trusted: TrustedTip,
    headers: Sequence[Header],
    sets: Mapping[Hash32, ValidatorSet],
    certificates: Mapping[Height, bytes],
    check: CertificateCheck,
) -> TrustedTip:
    """The new tip after ``headers``, which follow the trusted one in order.

    ``certificates`` must cover every header after which the set changes, and the last one; ``sets``
    must hold every set that ``headers`` introduce, by hash.

    Raises:
        RemoteProtocolError: a link, a set or a certificate is missing or wrong.
    """
    tip = trusted
    for header in headers:
        check_header(tip.header, header)
        changes = header.next_validators != header.validators
        if changes or header is headers[-1]:
            _check_certificate(tip, header, certificates, check)
        tip = TrustedTip(header, _get_set(sets, header) if changes else tip.validators)
    return tip


def _check_certificate(
    tip: TrustedTip,
    header: Header,
    certificates: Mapping[Height, bytes],
    check: CertificateCheck,
) -> None:
    certificate = certificates.get(header.height)
    if certificate is None:
        raise RemoteProtocolError(f"the certificate of header {header.height} is missing")
    if compute_validators_hash(tip.validators) != header.validators:
        raise RemoteProtocolError(f"header {header.height} is signed by another set")
    if not check(certificate, header.height, compute_block_hash(header), tip.validators):
        raise RemoteProtocolError(f"the certificate of header {header.height} is not valid")


def _get_set(sets: Mapping[Hash32, ValidatorSet], header: Header) -> ValidatorSet:
    validators = sets.get(header.next_validators)
    if validators is None or not is_valid_validator_set(validators):
        raise RemoteProtocolError(f"the set after header {header.height} is missing")
    if compute_validators_hash(validators) != header.next_validators:
        raise RemoteProtocolError(f"the set after header {header.height} is another one")
    return validators
