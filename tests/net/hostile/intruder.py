"""A peer that speaks TCP, multistream, Noise and Yamux just well enough to say what it must not."""

# ruff: noqa: ANN401 - connections of libp2p

import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import trio
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.crypto.x25519 import create_new_key_pair as create_new_x25519_key_pair
from libp2p.io.trio import TrioTCPStream
from libp2p.network.connection.raw_connection import RawConnection
from libp2p.peer.id import ID
from libp2p.security.noise.transport import Transport as Noise

from aliad.crypto import key_from_seed
from aliad.peer_id import peer_id_of
from aliad.types import PeerId

MULTISTREAM: Final = b"/multistream/1.0.0\n"
DATA, WINDOW, PING, GO_AWAY = range(4)  # types of Yamux frames
SYN, ACK, FIN, RST = 1, 2, 4, 8  # flags
PATIENCE: Final = 60.0


class Gone(Exception):
    """The victim closed the connection, or never let it come about."""


def said(text: bytes) -> bytes:
    """A message of multistream: its length as a varint, and itself."""
    return varint(len(text)) + text


def varint(number: int) -> bytes:
    """Seven bits a byte, the lowest first."""
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def frame(kind: int, flags: int, stream: int, length: int, version: int = 0) -> bytes:
    """A header of Yamux."""
    return struct.pack("!BBHII", version, kind, flags & 0xFFFF, stream, length & 0xFFFFFFFF)


async def tcp(address: str, source: int) -> trio.SocketStream:
    """A bare connection from 127.0.0.``source``. Raises Gone."""
    _, _, host, _, port, *_ = address.split("/")
    try:
        with trio.fail_after(PATIENCE):
            return await trio.open_tcp_stream(
                host, int(port), local_address=f"127.0.0.{source % 250 + 2}"
            )
    except OSError as error:
        raise Gone(str(error)) from error


def reset_on_close(stream: trio.SocketStream) -> None:
    """Leave with RST instead of FIN."""
    stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class Intruder:
    """An authenticated connection. ``deaf``: it reads nothing of what the victim sends."""

    def __init__(self, session: Any, number: int, raw: trio.SocketStream) -> None:
        self.raw = raw
        self.peer: PeerId = peer_of(number)
        self.gone = trio.Event()
        self.heard = 0  # bytes
        self._session = session
        self._next = 1

    async def write(self, data: bytes) -> None:
        """Bytes of Yamux, or of what claims to be. Raises Gone."""
        try:
            with trio.fail_after(PATIENCE):
                for start in range(0, len(data), 1 << 15):
                    await self._session.write(data[start : start + (1 << 15)])
        except trio.TooSlowError:
            raise Gone("the victim does not read") from None
        except Exception as error:
            self.gone.set()
            raise Gone(repr(error)) from error

    async def listen(self) -> None:
        """Read what the victim sends, and forget it."""
        with suppress(Exception):
            while data := await self._session.read():
                self.heard += len(data)
        self.gone.set()

    async def stream(self, protocol: str, data: bytes = b"", *, flags: int = 0) -> int:
        """A new stream on which ``data`` is sent; more of it by `more`. Raises Gone."""
        number, self._next = self._next, self._next + 2
        greeting = said(MULTISTREAM) + said(protocol.encode() + b"\n") + data
        first = greeting[: 200 << 10]
        await self.write(frame(DATA, SYN | flags, number, len(first)) + first)
        if len(first) < len(greeting):
            await self.more(number, greeting[len(first) :])
        return number

    async def more(self, stream: int, data: bytes, *, flags: int = 0) -> None:
        """More on a stream, heedless of its window."""
        await self.write(frame(DATA, flags, stream, len(data)) + data)


def peer_of(number: int) -> PeerId:
    """The peer id of an intruder."""
    return peer_id_of(key_from_seed(_seed(number)).node_id)


def _seed(number: int) -> bytes:
    return b"intruder" + number.to_bytes(24, "big")


@asynccontextmanager
async def intruder(
    address: str, number: int, *, deaf: bool = False, source: int | None = None
) -> AsyncIterator[Intruder]:
    """A connected intruder of its own identity. Raises Gone if it is not let in."""
    raw = await tcp(address, number if source is None else source)
    try:
        session = await _secured(raw, address, number)
        async with trio.open_nursery() as nursery:
            one = Intruder(session, number, raw)
            if not deaf:
                nursery.start_soon(one.listen)
            yield one
            nursery.cancel_scope.cancel()
    finally:
        reset_on_close(raw)
        await trio.aclose_forcefully(raw)


async def _secured(raw: trio.SocketStream, address: str, number: int) -> Any:
    pair = create_new_key_pair(_seed(number))
    noise = Noise(pair, noise_privkey=create_new_x25519_key_pair().private_key)
    connection = RawConnection(TrioTCPStream(raw), initiator=True)
    victim = ID.from_base58(address.rsplit("/", 1)[1])
    try:
        with trio.fail_after(PATIENCE):
            await raw.send_all(said(MULTISTREAM) + said(b"/noise\n"))
            await _read(raw, len(said(MULTISTREAM) + said(b"/noise\n")))
            session = await noise.secure_outbound(connection, victim)
            await session.write(said(MULTISTREAM) + said(b"/yamux/1.0.0\n"))
            wanted = len(said(MULTISTREAM) + said(b"/yamux/1.0.0\n"))
            while wanted > 0:
                wanted -= len(await session.read(wanted))
    except trio.TooSlowError:
        raise Gone("the victim does not answer") from None
    except Exception as error:
        raise Gone(repr(error)) from error
    return session


async def _read(raw: trio.SocketStream, size: int) -> None:
    while size > 0:
        data = await raw.receive_some(size)
        if not data:
            raise Gone("closed in the greeting")
        size -= len(data)
