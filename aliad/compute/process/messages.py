"""Messages: `[version, kind, request id, record]`, one record type for each kind."""

from typing import Any, Final

from aliad.codec import Fields, decode, encode
from aliad.compute.process.frames import MAX_FRAME
from aliad.compute.process.replies import (
    BatchTrained,
    CancelHeard,
    Decoded,
    Devices,
    Failed,
    MeanMade,
    OperationRun,
    ParametersMade,
    Reply,
    SelfTested,
    StateMade,
    Status,
    UpdateChecked,
)
from aliad.compute.process.requests import (
    Aggregate,
    ApplyUpdate,
    Cancel,
    CheckState,
    CheckUpdate,
    Decode,
    ExportParameters,
    ExtractOperation,
    GetStatus,
    ListDevices,
    MakeState,
    Request,
    RunBatchOperation,
    RunOperation,
    RunSelfTest,
    TraceBatch,
    TrainBatch,
)
from aliad.compute.process.wire import from_wire, to_wire
from aliad.errors import RemoteProtocolError

VERSION: Final = 1
MAX_ITEMS: Final = 1 << 20

_REQUESTS: Final[dict[int, type[Request]]] = {
    1: GetStatus,
    2: Cancel,
    3: ListDevices,
    4: MakeState,
    5: TrainBatch,
    6: TraceBatch,
    7: CheckUpdate,
    8: Aggregate,
    9: ApplyUpdate,
    10: ExportParameters,
    11: Decode,
    12: RunOperation,
    13: RunBatchOperation,
    14: ExtractOperation,
    15: RunSelfTest,
    16: CheckState,
}
_REPLIES: Final[dict[int, type[Reply]]] = {
    1: Status,
    2: Devices,
    3: CancelHeard,
    4: StateMade,
    5: BatchTrained,
    6: UpdateChecked,
    7: MeanMade,
    8: ParametersMade,
    9: Decoded,
    10: OperationRun,
    11: SelfTested,
    12: Failed,
}
_KINDS: Final[dict[type[Request | Reply], int]] = {
    record: kind for table in (_REQUESTS, _REPLIES) for kind, record in table.items()
}


class Unreadable(RemoteProtocolError):
    """A message that cannot be understood. `request`: its id, or 0 if not even that is known."""

    def __init__(self, request: int, what: str, why: str) -> None:
        super().__init__(what, why, "Both sides must be of the same version of aliad.")
        self.request = request


def write_message(request: int, record: Request | Reply) -> bytes:
    """The message; `request` is the id that joins a reply to its request."""
    return encode((VERSION, _KINDS[type(record)], request, to_wire(record)))


def read_request(message: bytes) -> tuple[int, Request]:
    """(request id, request). Raises Unreadable, and nothing else, for any other bytes."""
    request, record = _read(message, _REQUESTS)
    return request, record


def read_reply(message: bytes) -> tuple[int, Reply]:
    """(request id, reply). Raises Unreadable, and nothing else, for any other bytes."""
    request, record = _read(message, _REPLIES)
    return request, record


def _read(message: bytes, table: dict[int, Any]) -> tuple[int, Any]:
    request = 0
    try:
        fields = Fields(decode(message, max_bytes=MAX_FRAME, max_items=MAX_ITEMS), "message")
        version, kind = fields.uint(), fields.uint()
        request = fields.uint()
        value = fields.value()
        fields.end()
        if version != VERSION:
            raise RemoteProtocolError(f"version {version}, not {VERSION}")
        if kind not in table:
            raise RemoteProtocolError(f"there is no message of kind {kind}")
        return request, from_wire(table[kind], value)
    except RemoteProtocolError as error:
        why = ": ".join(line for line in (error.what, error.why) if line)
        raise Unreadable(request, "A message cannot be understood.", f"{why}.") from error
