"""Records as canonical arrays: the fields of a dataclass in their order, typed by its annotations.

    int, str, bytes, bool   as they are            float      8 bytes, IEEE 754, big-endian
    Fraction                (numerator, denominator) in lowest terms
    tuple, dataclass        an array                T | None   None or T

`aliad.codec` bounds and canonicalises the bytes; here the types are checked, all of them.
"""

import math
import struct
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from enum import IntEnum
from fractions import Fraction
from functools import cache
from types import NoneType, UnionType
from typing import Any, Final, NewType, TypeVar, Union, get_args, get_origin, get_type_hints

from aliad.codec import Value
from aliad.errors import LocalProtocolError, RemoteProtocolError

_DOUBLE: Final = struct.Struct(">d")
_PLAIN: Final = (int, str, bytes, bool)
Record = TypeVar("Record")
Reader = Callable[[Value], Any]


def to_wire(x: object) -> Value:
    """The value that stands for `x`. Raises LocalProtocolError for what no record may hold."""
    match x:
        case IntEnum():
            return int(x)
        case None | bool() | int() | str() | bytes():
            return x
        case float():
            return _DOUBLE.pack(x)
        case Fraction():
            return (x.numerator, x.denominator)
        case tuple():
            return tuple([to_wire(item) for item in x])
        case _ if is_dataclass(x):
            return tuple([to_wire(getattr(x, field.name)) for field in fields(x)])
        case _:
            raise LocalProtocolError(f"a {type(x).__name__} cannot be sent")


def from_wire(record: type[Record], value: Value) -> Record:
    """The record that `value` stands for.

    Raises RemoteProtocolError where a field is missing, left over or of another type.
    """
    hint: Any = record
    read: Record = _reader(hint)(value)
    return read


@cache
def _reader(hint: Any) -> Reader:  # noqa: ANN401, PLR0911 - any annotation; one line a type
    if isinstance(hint, NewType):
        return _reader(hint.__supertype__)
    if hint in _PLAIN or hint is NoneType:
        return _exactly(hint)
    if hint is float:
        return _float
    if hint is Fraction:
        return _fraction
    if get_origin(hint) in (Union, UnionType):
        return _union(get_args(hint))
    if get_origin(hint) is tuple:
        return _tuple(get_args(hint))
    if isinstance(hint, type) and issubclass(hint, IntEnum):
        return _enum(hint)
    if is_dataclass(hint):
        return _record(hint)
    raise LocalProtocolError(f"{hint} cannot be received")


def _wrong(wanted: str, value: object) -> RemoteProtocolError:
    return RemoteProtocolError(f"expected {wanted}, found {type(value).__name__}")


def _exactly(kind: type) -> Reader:
    def read(value: Value) -> Value:
        if type(value) is not kind:
            raise _wrong(kind.__name__, value)
        return value

    return read


def _float(value: Value) -> float:
    if type(value) is not bytes or len(value) != _DOUBLE.size:
        raise _wrong("a float of 8 bytes", value)
    number: float = _DOUBLE.unpack(value)[0]
    return number


def _fraction(value: Value) -> Fraction:
    match _ints(value):
        case (int(top), int(bottom)) if bottom > 0 and math.gcd(top, bottom) == 1:
            return Fraction(top, bottom)
    raise _wrong("a fraction in lowest terms", value)


def _enum(kind: type[IntEnum]) -> Reader:
    def read(value: Value) -> IntEnum:
        if type(value) is not int or value not in list(kind):
            raise _wrong(f"a {kind.__name__}", value)
        return kind(value)

    return read


def _union(hints: tuple[Any, ...]) -> Reader:
    def read(value: Value) -> object:
        for hint in hints:
            try:
                return _reader(hint)(value)
            except RemoteProtocolError:
                continue
        raise _wrong(f"one of {hints}", value)

    return read


def _tuple(hints: tuple[Any, ...]) -> Reader:
    if len(hints) == 2 and hints[1] is Ellipsis:
        if hints[0] is int:
            return _ints
        each = _reader(hints[0])

        def read_all(value: Value) -> tuple[Any, ...]:
            if type(value) is not tuple:
                raise _wrong("an array", value)
            return tuple([each(item) for item in value])

        return read_all
    readers = [_reader(hint) for hint in hints]

    def read(value: Value) -> tuple[Any, ...]:
        if type(value) is not tuple or len(value) != len(readers):
            raise _wrong(f"an array of {len(readers)}", value)
        return tuple([each(item) for each, item in zip(readers, value, strict=True)])

    return read


def _ints(value: Value) -> tuple[Any, ...]:
    if type(value) is not tuple or any(type(item) is not int for item in value):
        raise _wrong("an array of integers", value)
    return value


def _record(record: Any) -> Reader:  # noqa: ANN401
    hints = get_type_hints(record)
    names = [field.name for field in fields(record)]
    readers = [_reader(hints[name]) for name in names]

    def read(value: Value) -> object:
        if type(value) is not tuple or len(value) != len(names):
            raise _wrong(f"{record.__name__} with {len(names)} fields", value)
        found = []
        for name, each, item in zip(names, readers, value, strict=True):
            try:
                found.append(each(item))
            except RemoteProtocolError as error:
                raise RemoteProtocolError(f"{record.__name__}.{name}: {error.what}") from error
        return record(*found)

    return read
