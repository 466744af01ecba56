"""Signed work reports: what a node says a batch took. For people, not for the rules. Pure."""

from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Annotated, Final

from aliad.crypto import SignatureCheck, SigningKey, domain, sign, verify
from aliad.ledger.schema import AtMost, Schema
from aliad.types import BatchIndex, Hash32, JobId, NodeId, Round, Signature

REPORT_DOMAIN: Final = domain("work-report")
_NO_SIGNATURE: Final = Signature(bytes(64))


class Duty(IntEnum):
    """Why a node computed a batch."""

    TRAIN = 1
    CHECK = 2
    REFEREE = 3


@dataclass(frozen=True, slots=True)
class WorkReport:
    """What a batch took.

    `micros` of computing, `tokens` predicted, `memory` in bytes, `temperature` in millidegrees
    Celsius or None, bytes moved for this batch in either direction; `loss` in thousandths of a nat
    a token.
    """

    job: JobId
    round: Round
    batch: BatchIndex
    node: NodeId
    duty: Duty
    device: Annotated[str, AtMost(64)]
    micros: int
    tokens: int
    memory: int
    temperature: int | None
    received: int
    sent: int
    loss: int
    signature: Signature

    @property
    def tokens_per_second(self) -> float:
        """The speed that the report claims."""
        return self.tokens * 1e6 / self.micros if self.micros else 0.0


REPORT: Final = Schema(WorkReport, 0x220, max_bytes=1 << 10)


def sign_report(report: WorkReport, key: SigningKey, genesis: Hash32) -> WorkReport:
    """The report with its node's signature."""
    unsigned = replace(report, signature=_NO_SIGNATURE)
    return replace(report, signature=sign(key, REPORT_DOMAIN, genesis, REPORT.encode(unsigned)))


def is_signed_report(report: WorkReport, genesis: Hash32) -> bool:
    """Whether the report's node signed it."""
    message = REPORT.encode(replace(report, signature=_NO_SIGNATURE))
    return verify(SignatureCheck(report.node, REPORT_DOMAIN, genesis, message, report.signature))
