"""Blocks as they are kept: the bytes that were hashed, in the ledger's and the vote's encoding.

A header row is the array (1, header fields), a body row the array (1, last commit, payload); block
hash and body hash are digests of exactly these bytes.
"""

from typing import Final

from aliad import codec, crypto
from aliad.errors import RemoteProtocolError
from aliad.ledger.block import (
    APP_HEADER,
    HEADER,
    MAX_PAYLOAD_BYTES,
    AppHeader,
    Header,
)
from aliad.store.format import HeaderView
from aliad.types import Hash32

MAX_HEADER_BYTES: Final = 2_048
MAX_BODY_BYTES: Final = MAX_PAYLOAD_BYTES + (64 << 10)  # payload and a certificate of 256 signers

_HEADER_DOMAIN: Final = crypto.domain("header")
_BODY_DOMAIN: Final = crypto.domain("body")


class LedgerFormat:
    """Satisfies BlockFormat for the chain this program runs."""

    def decode_header(self, raw: bytes) -> HeaderView:
        """Decode strictly and hash. Raises RemoteProtocolError."""
        header, app = read_header(raw)
        return HeaderView(
            header.height,
            crypto.digest(_HEADER_DOMAIN, raw),
            header.parent,
            header.body,
            app.state_root,
            raw,
        )

    def body_hash(self, raw: bytes) -> Hash32:
        """The hash a header names for these bytes. Raises RemoteProtocolError if too many."""
        if len(raw) > MAX_BODY_BYTES:
            raise RemoteProtocolError(f"a body of {len(raw)} bytes exceeds {MAX_BODY_BYTES}")
        return crypto.digest(_BODY_DOMAIN, raw)


def encode_header(header: Header) -> bytes:
    """The row of a header."""
    return codec.encode((1, HEADER.to_value(header)))


def read_header(raw: bytes) -> tuple[Header, AppHeader]:
    """A header and the ledger's part of it. Raises RemoteProtocolError."""
    fields = codec.Fields(codec.decode(raw, max_bytes=MAX_HEADER_BYTES), "header")
    if fields.uint() != 1:
        raise RemoteProtocolError("a header of another version")
    header = HEADER.from_value(fields.value())
    fields.end()
    return header, APP_HEADER.decode(header.app)


def encode_body(last_commit: codec.Value, payload: bytes) -> bytes:
    """The row of a body."""
    return codec.encode((1, last_commit, payload))


def read_body(raw: bytes) -> tuple[codec.Value, bytes]:
    """The parent's certificate, as values, and the payload. Raises RemoteProtocolError."""
    fields = codec.Fields(codec.decode(raw, max_bytes=MAX_BODY_BYTES), "body")
    if fields.uint() != 1:
        raise RemoteProtocolError("a body of another version")
    last_commit = fields.value()
    payload = fields.blob(MAX_PAYLOAD_BYTES)
    fields.end()
    return last_commit, payload
