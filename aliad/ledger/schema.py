"""One declaration per record: the fields of a frozen dataclass are its canonical encoding.

``Schema(Transfer, kind=1)`` reads the annotations once. Integers are bounded by ``MAX_UINT`` or by
``Annotated[int, AtMost(n)]``; ids and digests have the width of their type; bytes, text and arrays
must say ``Annotated[..., AtMost(n)]``; ``X | None``, enums and nested records are written in place.

Decoding what a peer sent raises nothing but `RemoteProtocolError`.
"""

import types
from collections.abc import Callable
from dataclasses import fields as dataclass_fields
from dataclasses import is_dataclass
from enum import IntEnum
from typing import (
    Annotated,
    Any,
    ClassVar,
    Final,
    Generic,
    NamedTuple,
    NewType,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from aliad import codec
from aliad.codec import Value
from aliad.crypto import Domain, digest
from aliad.errors import LocalProtocolError, RemoteProtocolError
from aliad.types import MAX_UINT, Hash32, Signature

VERSION: Final = 1

R = TypeVar("R")


class AtMost(NamedTuple):
    """The largest integer, or the largest number of bytes or entries."""

    limit: int


class _Form(NamedTuple):
    """How one field is read and written; ``write`` is None where the value is written as it is."""

    read: Callable[[Value], object]
    write: Callable[[Any], Value] | None


def _uint(limit: int) -> _Form:
    def read(value: Value) -> object:
        if type(value) is not int or not 0 <= value <= limit:
            raise RemoteProtocolError(f"a field is not an integer from 0 to {limit}")
        return value

    return _Form(read, None)


def _blob(limit: int, exact: bool) -> _Form:
    def read(value: Value) -> object:
        if type(value) is not bytes or len(value) > limit or (exact and len(value) != limit):
            raise RemoteProtocolError(f"a field is not {limit} bytes" + " at most" * (not exact))
        return value

    return _Form(read, None)


def _text(limit: int) -> _Form:
    def read(value: Value) -> object:
        if type(value) is not str or len(value.encode("utf-8")) > limit:
            raise RemoteProtocolError(f"a field is not text of at most {limit} bytes")
        return value

    return _Form(read, None)


def _flag() -> _Form:
    def read(value: Value) -> object:
        if type(value) is not bool:
            raise RemoteProtocolError("a field is not a boolean")
        return value

    return _Form(read, None)


def _choice(kinds: type[IntEnum]) -> _Form:
    members = {int(member): member for member in kinds}

    def read(value: Value) -> object:
        if type(value) is not int or value not in members:
            raise RemoteProtocolError(f"a field is not a {kinds.__name__}")
        return members[value]

    return _Form(read, int)


def _array(item: _Form, limit: int) -> _Form:
    read_item, write_item = item

    def read(value: Value) -> object:
        if type(value) is not tuple or len(value) > limit:
            raise RemoteProtocolError(f"a field is not an array of at most {limit} entries")
        return tuple([read_item(entry) for entry in value])

    if write_item is None:
        return _Form(read, None)
    return _Form(read, lambda entries: tuple([write_item(entry) for entry in entries]))


def _optional(form: _Form) -> _Form:
    read_item, write_item = form

    def read(value: Value) -> object:
        return None if value is None else read_item(value)

    if write_item is None:
        return _Form(read, None)
    return _Form(read, lambda value: None if value is None else write_item(value))


def _record(cls: type[R]) -> tuple[Callable[[Value], R], Callable[[R], tuple[Value, ...]]]:
    hints = get_type_hints(cls, include_extras=True)
    names = [field.name for field in dataclass_fields(cls)]  # type: ignore[arg-type]
    forms = [_form(hints[name]) for name in names]
    readers = [form.read for form in forms]
    writers = [(name, form.write) for name, form in zip(names, forms, strict=True)]

    def read(value: Value) -> R:
        if type(value) is not tuple or len(value) != len(readers):
            raise RemoteProtocolError(f"a {cls.__name__} does not have {len(readers)} fields")
        return cls(*[reader(entry) for reader, entry in zip(readers, value, strict=True)])

    def write(record: R) -> tuple[Value, ...]:
        return tuple(
            [
                getattr(record, name) if writer is None else writer(getattr(record, name))
                for name, writer in writers
            ]
        )

    return read, write


def _form(hint: Any) -> _Form:  # noqa: ANN401 - an annotation can be any object
    if get_origin(hint) is Annotated:
        inner, bound = get_args(hint)
        return _bounded(inner, bound.limit)
    if get_origin(hint) in (Union, types.UnionType):
        (inner,) = [part for part in get_args(hint) if part is not type(None)]
        return _optional(_form(inner))
    if isinstance(hint, NewType):
        width = 64 if hint is Signature else 32
        return _uint(MAX_UINT) if hint.__supertype__ is int else _blob(width, exact=True)
    if isinstance(hint, type):
        return _plain(hint)
    raise LocalProtocolError(f"{hint!r} has no canonical encoding or lacks its AtMost")


def _plain(hint: type[Any]) -> _Form:
    if hint is bool:
        return _flag()
    if hint is int:
        return _uint(MAX_UINT)
    if issubclass(hint, IntEnum):
        return _choice(hint)
    if is_dataclass(hint):
        return _Form(*_record(hint))
    raise LocalProtocolError(f"{hint!r} has no canonical encoding or lacks its AtMost")


def _bounded(hint: Any, limit: int) -> _Form:  # noqa: ANN401 - an annotation can be any object
    if hint is bytes:
        return _blob(limit, exact=False)
    if hint is str:
        return _text(limit)
    if get_origin(hint) is tuple:
        return _array(_form(get_args(hint)[0]), limit)
    return _uint(limit)


class Schema(Generic[R]):
    """Reads and writes one record type as ``[version, kind, field, ...]``."""

    KINDS: ClassVar[dict[int, str]] = {}

    def __init__(
        self,
        cls: type[R],
        kind: int,
        *,
        max_bytes: int = codec.MAX_BYTES,
        max_items: int = codec.MAX_ITEMS,
    ) -> None:
        owner = self.KINDS.setdefault(kind, cls.__name__)
        if owner != cls.__name__:
            raise LocalProtocolError(f"{owner} and {cls.__name__} share the type {kind}")
        self.cls = cls
        self.kind = kind
        self._max_bytes = max_bytes
        self._max_items = max_items
        self._read, self._write = _record(cls)

    def to_value(self, record: R) -> tuple[Value, ...]:
        """The entries after version and type."""
        return self._write(record)

    def from_value(self, value: Value) -> R:
        """The record made of these entries."""
        return self._read(value)

    def encode(self, record: R) -> bytes:
        """Canonical bytes."""
        return codec.encode((VERSION, self.kind, *self.to_value(record)))

    def decode(self, data: bytes) -> R:
        """The record in ``data``, or RemoteProtocolError."""
        values = codec.decode(data, max_bytes=self._max_bytes, max_items=self._max_items)
        if values[:2] != (VERSION, self.kind) or type(values[0]) is not int:
            raise RemoteProtocolError(f"not a {self.cls.__name__} of version {VERSION}")
        return self.from_value(values[2:])

    def digest(self, purpose: Domain, record: R) -> Hash32:
        """Digest of the canonical bytes."""
        return digest(purpose, self.encode(record))
