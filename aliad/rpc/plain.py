"""Ledger records as JSON: nodes as peer ids, digests in hex, amounts as integers of nano-ALIA.

The annotations of the records say which is which, so a new event or transaction needs nothing here.
"""

import types
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from enum import IntEnum
from functools import cache
from typing import Annotated, Any, Final, TypeAlias, Union, get_args, get_origin, get_type_hints

from aliad.peer_id import peer_id_of
from aliad.rpc.wire import Json
from aliad.types import JobId, NodeId

MAX_BYTES_SHOWN: Final = 256

Show: TypeAlias = Callable[[Any], Json]


def plain(record: object) -> dict[str, Json]:
    """A ledger record as an object."""
    cls: type[Any] = type(record)
    return {name: show(getattr(record, name)) for name, show in _fields(cls)}  # type: ignore[arg-type]


def hexed(data: bytes) -> str:
    """Bytes in hex; long ones by their beginning and length."""
    if len(data) <= MAX_BYTES_SHOWN:
        return data.hex()
    return f"{data[:32].hex()}…({len(data)} bytes)"


@cache
def _fields(cls: type[Any]) -> tuple[tuple[str, Show], ...]:
    hints = get_type_hints(cls, include_extras=True)
    return tuple((field.name, _show(hints[field.name])) for field in fields(cls))


def _show(hint: Any) -> Show:  # noqa: ANN401 - an annotation can be any object
    if get_origin(hint) is Annotated:
        hint = get_args(hint)[0]
    if hint is NodeId:
        return lambda value: peer_id_of(value) if len(value) == 32 else hexed(value)
    if get_origin(hint) in (Union, types.UnionType):
        (inner,) = {part for part in get_args(hint) if part is not type(None)} or {object}
        shown = _show(inner)
        return lambda value: None if value is None else shown(value)
    if get_origin(hint) is tuple:
        shown_entry = _show(get_args(hint)[0])
        return lambda value: [shown_entry(entry) for entry in value]
    if isinstance(hint, type) and issubclass(hint, IntEnum):
        return lambda value: value.name.lower()
    if isinstance(hint, type) and is_dataclass(hint):
        return plain
    return _leaf


def _leaf(value: object) -> Json:
    match value:
        case bytes():
            return hexed(value)
        case IntEnum():
            return value.name.lower()
        case bool() | int() | str() | None:
            return value
        case tuple():
            return [_leaf(entry) for entry in value]
        case _:
            return str(value)


def short_job(job: JobId) -> str:
    """A job as sentences name it."""
    return job.hex()[:8]


def short_node(node: NodeId) -> str:
    """A node as sentences name it: the end of its peer id, as all begin alike."""
    return "…" + peer_id_of(node)[-8:]


def alia(nano: int) -> str:
    """An amount in ALIA, without zeros at the end."""
    whole, rest = divmod(abs(nano), 10**9)
    decimals = f".{rest:09}".rstrip("0").rstrip(".") if rest else ""
    return f"{'-' if nano < 0 else ''}{whole:,}{decimals} ALIA"


def kind_of(event: object) -> str:
    """The name of an event's kind, as programs read it: ``reward_earned``."""
    name = type(event).__name__
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")


Shown: TypeAlias = Mapping[str, Json]
