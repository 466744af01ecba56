"""The frames of the socket: JSON-RPC 2.0, one object a line, parameters by name.

Shared by server and client, so it imports nothing but the standard library. See
https://www.jsonrpc.org/specification; batches and positional parameters are not supported.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

Json: TypeAlias = "Mapping[str, Json] | list[Json] | str | int | float | bool | None"

MAX_LINE: Final = 4 << 20  # bytes, with the newline
MAX_DEPTH: Final = 64

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
METHOD_NOT_FOUND: Final = -32601
INVALID_PARAMS: Final = -32602
INTERNAL_ERROR: Final = -32603
# Ours, from the range the specification leaves to servers.
FORBIDDEN: Final = -32001
REFUSED: Final = -32002
NOT_READY: Final = -32003
TOO_MANY: Final = -32004
TOO_SLOW: Final = -32005

ERROR_NAMES: Final[Mapping[int, str]] = {
    PARSE_ERROR: "not JSON",
    INVALID_REQUEST: "not a request",
    METHOD_NOT_FOUND: "no such method",
    INVALID_PARAMS: "wrong parameters",
    INTERNAL_ERROR: "the daemon failed on this request; its log says why",
    FORBIDDEN: "the caller may not do this",
    REFUSED: "understood, and refused: `message`, `data.why`, `data.fix` are the three lines",
    NOT_READY: "the daemon is starting or stopping",
    TOO_MANY: "too many clients or subscriptions",
    TOO_SLOW: "the client does not read its events; it is disconnected",
}


class BadFrame(Exception):
    """A line that is no request; ``code`` and the text become the error that answers it."""

    def __init__(self, code: int, text: str, request_id: "RequestId" = None) -> None:
        super().__init__(text)
        self.code, self.text, self.request_id = code, text, request_id


RequestId: TypeAlias = int | str | None


@dataclass(frozen=True, slots=True)
class Request:
    """A call. Without an id (a notification) nothing is answered."""

    id: RequestId
    method: str
    params: Mapping[str, Json]
    answered: bool


def parse_request(line: bytes) -> Request:
    """The request in a line. Raises BadFrame, whatever the bytes are."""
    record = _parse(line)
    if not isinstance(record, dict):
        raise BadFrame(INVALID_REQUEST, "a request is an object; batches are not supported")
    request_id = record.get("id")
    if type(request_id) not in (int, str, type(None)):
        raise BadFrame(INVALID_REQUEST, "an id is a number or a text")
    if record.get("jsonrpc") != "2.0" or not isinstance(record.get("method"), str):
        raise BadFrame(INVALID_REQUEST, 'a request has "jsonrpc": "2.0" and a method', request_id)
    params = record.get("params", {})
    if not isinstance(params, dict):
        raise BadFrame(INVALID_PARAMS, "parameters are given by name", request_id)
    return Request(request_id, record["method"], params, "id" in record)


def parse_reply(line: bytes) -> dict[str, Json]:
    """A line from the server. Raises BadFrame."""
    record = _parse(line)
    if not isinstance(record, dict):
        raise BadFrame(INVALID_REQUEST, "a reply is an object")
    return record


def _parse(line: bytes) -> object:
    try:
        return json.loads(line, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise BadFrame(PARSE_ERROR, f"not JSON: {error}"[:200]) from None


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def format_request(request_id: int, method: str, params: Mapping[str, Json]) -> bytes:
    """A call as a line."""
    return _line({"jsonrpc": "2.0", "id": request_id, "method": method, "params": params})


def format_result(request_id: RequestId, result: Json) -> bytes:
    """The answer to a call."""
    return _line({"jsonrpc": "2.0", "id": request_id, "result": result})


def format_error(
    request_id: RequestId, code: int, message: str, data: Mapping[str, Json] | None = None
) -> bytes:
    """The refusal of a call."""
    error: dict[str, Json] = {"code": code, "message": message}
    if data:
        error["data"] = data
    return _line({"jsonrpc": "2.0", "id": request_id, "error": error})


def format_event(subscription: int, topic: str, event: Json) -> bytes:
    """Something that happened, for a subscriber."""
    params: dict[str, Json] = {"subscription": subscription, "topic": topic, "event": event}
    return _line({"jsonrpc": "2.0", "method": "event", "params": params})


def format_drop(message: str) -> bytes:
    """The last thing a client that does not read is told."""
    error: dict[str, Json] = {"code": TOO_SLOW, "message": message}
    return _line({"jsonrpc": "2.0", "method": "error", "params": error})


def _line(record: Mapping[str, Json]) -> bytes:
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
