"""Light verification: a chain of headers with one certificate per change of the set."""

from dataclasses import replace

import pytest

from aliad.errors import RemoteProtocolError
from aliad.ledger.block import Header, compute_block_hash, compute_first_beacon
from aliad.ledger.light import TrustedTip, verify_headers
from aliad.ledger.validators import ValidatorSet, compute_validators_hash, make_validator_set
from aliad.types import ZERO_HASH, Hash32, Height, Millis, NodeId, Power
from tests.ledger.chain import hash_of

ERA = 5
SETS = [
    make_validator_set({NodeId(hash_of("validator", era, number)): Power(1) for number in range(4)})
    for era in range(4)
]
HASHES = [compute_validators_hash(validators) for validators in SETS]
KNOWN = dict(zip(HASHES, SETS, strict=True))


def check(certificate: bytes, height: Height, block: Hash32, validators: ValidatorSet) -> bool:
    """A certificate in these tests names what it certifies, and by which set."""
    return certificate == hash_of(height, block, validators)


def make_headers(count: int) -> list[Header]:
    headers = [
        Header(
            Height(0),
            ZERO_HASH,
            Millis(1),
            HASHES[0],
            HASHES[0],
            NodeId(bytes(32)),
            b"",
            compute_first_beacon(ZERO_HASH),
            ZERO_HASH,
            b"",
        )
    ]
    for height in range(1, count):
        before = headers[-1]
        following = HASHES[height // ERA % 4]
        headers.append(
            replace(
                before,
                height=Height(height),
                parent=compute_block_hash(before),
                time=Millis(before.time + 1),
                validators=before.next_validators,
                next_validators=following,
            )
        )
    return headers


HEADERS = make_headers(14)
TRUSTED = TrustedTip(HEADERS[0], SETS[0])


def certify(*heights: int) -> dict[Height, bytes]:
    made: dict[Height, bytes] = {}
    for height in heights:
        header = HEADERS[height]
        validators = KNOWN[header.validators]
        made[Height(height)] = hash_of(Height(height), compute_block_hash(header), validators)
    return made


CERTIFICATES = certify(5, 10, 13)


def verify(headers: list[Header], certificates: dict[Height, bytes] | None = None) -> TrustedTip:
    return verify_headers(TRUSTED, headers, KNOWN, certificates or CERTIFICATES, check)


def test_one_certificate_per_era_and_the_newest_are_enough() -> None:
    tip = verify(HEADERS[1:])
    assert tip.header == HEADERS[-1]
    assert tip.validators == SETS[2]


@pytest.mark.parametrize("missing", [5, 10, 13])
def test_each_of_these_certificates_is_needed(missing: int) -> None:
    left = {height: value for height, value in CERTIFICATES.items() if height != missing}
    with pytest.raises(RemoteProtocolError, match="missing"):
        verify(HEADERS[1:], left)


@pytest.mark.parametrize("height", [5, 10, 13])
def test_a_certificate_of_something_else_is_rejected(height: int) -> None:
    with pytest.raises(RemoteProtocolError, match="not valid"):
        verify(HEADERS[1:], {**CERTIFICATES, Height(height): hash_of("forged")})


@pytest.mark.parametrize("place", [0, 3, 7, 12])
@pytest.mark.parametrize(
    "change",
    [
        {"height": Height(99)},
        {"parent": hash_of("other")},
        {"time": Millis(0)},
        {"validators": hash_of("set")},
        {"next_validators": hash_of("set")},
        {"body": hash_of("body")},
        {"app": b"other"},
    ],
)
def test_any_change_of_any_header_breaks_the_chain(place: int, change: dict[str, object]) -> None:
    headers = HEADERS[1:]
    headers[place] = replace(headers[place], **change)  # type: ignore[arg-type]
    with pytest.raises(RemoteProtocolError):
        verify(headers)


def test_gaps_and_unknown_sets_are_rejected() -> None:
    with pytest.raises(RemoteProtocolError):
        verify([*HEADERS[1:4], *HEADERS[5:]])
    with pytest.raises(RemoteProtocolError, match="missing"):
        verify_headers(TRUSTED, HEADERS[1:], {HASHES[0]: SETS[0]}, CERTIFICATES, check)
    wrong = {**KNOWN, HASHES[1]: SETS[3]}
    with pytest.raises(RemoteProtocolError, match="another one"):
        verify_headers(TRUSTED, HEADERS[1:], wrong, CERTIFICATES, check)


def test_a_tip_with_another_set_than_its_header_names_is_useless() -> None:
    with pytest.raises(RemoteProtocolError, match="another set"):
        verify_headers(TrustedTip(HEADERS[0], SETS[3]), HEADERS[1:], KNOWN, CERTIFICATES, check)
