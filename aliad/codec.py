"""The canonical encoding: msgpack arrays ``[version, type, ...]`` of ints, bytes, text and arrays.

One value has exactly one encoding, so digests and signatures are over bytes and equal values have
equal digests. No maps, floats, extension types, nor anything that two implementations could write
in two ways. What is decoded is bounded first, then encoded again and compared.

Arbitrary bytes make ``decode`` raise `RemoteProtocolError` and nothing else; a value of ours that
cannot be encoded is our own bug and raises `LocalProtocolError`.
"""

from collections.abc import Callable
from typing import Final, TypeAlias, TypeVar

import msgpack

from aliad.errors import LocalProtocolError, RemoteProtocolError
from aliad.types import MAX_UINT, Hash32, NodeId, Signature

Value: TypeAlias = int | bool | bytes | str | tuple["Value", ...] | None

MAX_BYTES: Final = 1 << 20
MAX_ITEMS: Final = 4096
MAX_DEPTH: Final = 8

T = TypeVar("T")


def encode(value: Value) -> bytes:
    """The canonical bytes of ``value``."""
    if not _is_plain(value, MAX_DEPTH):
        raise LocalProtocolError("a value to encode is not made of ints, bytes, text and tuples")
    try:
        return _pack(value)
    except (ValueError, OverflowError, TypeError) as error:
        raise LocalProtocolError("a value cannot be encoded", str(error)) from error


def decode(
    data: bytes, *, max_bytes: int = MAX_BYTES, max_items: int = MAX_ITEMS
) -> tuple[Value, ...]:
    """The array encoded in ``data``; at most ``max_items`` entries in any one array of it.

    Raises:
        RemoteProtocolError: too long, too deep, not msgpack, not an array, or not canonical.
    """
    if len(data) > max_bytes:
        raise RemoteProtocolError(f"a record of {len(data)} bytes exceeds {max_bytes}")
    try:
        value = msgpack.unpackb(
            data,
            use_list=False,
            raw=False,
            strict_map_key=True,
            max_array_len=max_items,
            max_map_len=0,
            max_ext_len=0,
            max_bin_len=max_bytes,
            max_str_len=max_bytes,
        )
    except (ValueError, TypeError, OverflowError, msgpack.exceptions.UnpackException) as error:
        raise RemoteProtocolError("a record is not valid msgpack", str(error)[:200]) from error
    if type(value) is not tuple or not _is_plain(value, MAX_DEPTH):
        raise RemoteProtocolError("a record is not an array of ints, bytes, text and arrays")
    if _pack(value) != data:
        raise RemoteProtocolError("a record is not in its canonical encoding")
    return value


def _pack(value: Value) -> bytes:
    packed: bytes = msgpack.packb(value, use_bin_type=True)
    return packed


_LEAVES: Final = frozenset({int, bytes, str, bool, type(None)})


def _is_plain(value: object, depth: int) -> bool:
    if type(value) is not tuple:
        return type(value) in _LEAVES
    for item in value:
        kind = type(item)
        if kind not in _LEAVES and (depth <= 1 or kind is not tuple):
            return False
        if kind is tuple and not _is_plain(item, depth - 1):
            return False
    return True


class Fields:
    """Reads the entries of a decoded array from left to right, each with its type and bound.

    Every method raises `RemoteProtocolError` when the next entry is missing or not as asked.
    ``end`` must be called last: entries nobody read are an error, too.
    """

    __slots__ = ("_at", "_name", "_values")

    def __init__(self, values: Value, name: str = "record") -> None:
        if type(values) is not tuple:
            raise RemoteProtocolError(f"{name}: not an array")
        self._values = values
        self._name = name
        self._at = 0

    def value(self) -> Value:
        """The next entry, whatever it is."""
        if self._at >= len(self._values):
            raise RemoteProtocolError(f"{self._name}: has only {len(self._values)} entries")
        self._at += 1
        return self._values[self._at - 1]

    def uint(self, maximum: int = MAX_UINT) -> int:
        """An integer from 0 to ``maximum``; True and False are not integers."""
        value = self.value()
        if type(value) is not int or not 0 <= value <= maximum:
            raise self._wrong(f"an integer from 0 to {maximum}")
        return value

    def boolean(self) -> bool:
        """True or False."""
        value = self.value()
        if type(value) is not bool:
            raise self._wrong("a boolean")
        return value

    def blob(self, maximum: int, minimum: int = 0) -> bytes:
        """Bytes of bounded length."""
        value = self.value()
        if type(value) is not bytes or not minimum <= len(value) <= maximum:
            raise self._wrong(f"{minimum} to {maximum} bytes")
        return value

    def hash32(self) -> Hash32:
        """A digest."""
        return Hash32(self.blob(32, 32))

    def node(self) -> NodeId:
        """A public key."""
        return NodeId(self.blob(32, 32))

    def signature(self) -> Signature:
        """An Ed25519 signature, not yet verified."""
        return Signature(self.blob(64, 64))

    def text(self, maximum: int) -> str:
        """Text of at most ``maximum`` UTF-8 bytes."""
        value = self.value()
        if type(value) is not str or len(value.encode("utf-8")) > maximum:
            raise self._wrong(f"text of at most {maximum} bytes")
        return value

    def items(self, read: Callable[[Value], T], maximum: int, minimum: int = 0) -> tuple[T, ...]:
        """An array of bounded length, each entry read by ``read``."""
        value = self.value()
        if type(value) is not tuple or not minimum <= len(value) <= maximum:
            raise self._wrong(f"an array of {minimum} to {maximum} entries")
        return tuple([read(item) for item in value])

    def tag(self, version: int, kind: int) -> None:
        """The two leading entries of a record."""
        if self.uint() != version:
            raise self._wrong(f"version {version}")
        if self.uint() != kind:
            raise self._wrong(f"type {kind}")

    def end(self) -> None:
        """Nothing is left."""
        if self._at != len(self._values):
            raise RemoteProtocolError(
                f"{self._name}: {len(self._values) - self._at} entries too many"
            )

    def _wrong(self, wanted: str) -> RemoteProtocolError:
        return RemoteProtocolError(f"{self._name}: entry {self._at - 1} is not {wanted}")


def open_record(
    data: bytes,
    version: int,
    kind: int,
    name: str = "record",
    *,
    max_bytes: int = MAX_BYTES,
    max_items: int = MAX_ITEMS,
) -> Fields:
    """The fields behind ``[version, kind, ...]``, ready to read."""
    fields = Fields(decode(data, max_bytes=max_bytes, max_items=max_items), name)
    fields.tag(version, kind)
    return fields
