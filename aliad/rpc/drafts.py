"""Texts on their way into an order: sent piece by piece, held in memory, bounded in every way.

A document may be longer than a line of the socket. Whoever begins a draft gets a name that nobody
can guess; a draft that is not added to for a while is dropped.
"""

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from aliad.errors import AliadError

if TYPE_CHECKING:
    from aliad.node.order_records import OrderWish

MOST_DRAFTS: Final = 8
MOST_TEXTS: Final = 200_000
MOST_BYTES: Final = 64 << 20  # of all drafts together, in UTF-8
CALL_BYTES: Final = 1 << 20
LONGEST_TEXT: Final = 256 << 10  # bytes
AGE_SECONDS: Final = 600.0


@dataclass(slots=True)
class Draft:
    """What was sent so far; ``wish`` says what is to become of it."""

    wish: "OrderWish"
    touched: float
    texts: list[str] = field(default_factory=list)
    bytes: int = 0


class Drafts:
    """All drafts of a daemon. Times in seconds of a clock that never goes back."""

    def __init__(self) -> None:
        self._open: dict[str, Draft] = {}

    def begin(self, wish: "OrderWish", now: float) -> str:
        """The name of a new draft. Raises AliadError if there are too many."""
        self._drop_old(now)
        if len(self._open) >= MOST_DRAFTS:
            raise AliadError(
                "no document can be taken in now",
                f"{MOST_DRAFTS} others are being sent to this daemon",
                "Try again in some minutes.",
            )
        name = secrets.token_hex(16)
        self._open[name] = Draft(wish, now)
        return name

    def add(self, name: str, texts: list[str], now: float) -> Draft:
        """Append texts. Raises AliadError if there is no such draft, or it would be too large."""
        draft = self._get(name, now)
        sizes = [len(text.encode()) for text in texts]
        if sum(sizes) > CALL_BYTES or max(sizes, default=0) > LONGEST_TEXT:
            raise AliadError(
                "these texts cannot be taken in at once",
                f"a call has at most {CALL_BYTES >> 10} KiB, a text {LONGEST_TEXT >> 10} KiB",
                "Send fewer at a time; cut longer texts into sentences.",
            )
        if len(draft.texts) + len(texts) > MOST_TEXTS:
            raise AliadError(
                "the document is too long",
                f"an order has at most {MOST_TEXTS:,} sentences",
                "Split it into several files.",
            )
        if sum(one.bytes for one in self._open.values()) + sum(sizes) > MOST_BYTES:
            raise AliadError(
                "the document cannot be taken in now",
                f"this daemon holds at most {MOST_BYTES >> 20} MiB of texts that are being sent",
                "Try again in some minutes, or split it into several files.",
            )
        draft.texts += texts
        draft.bytes += sum(sizes)
        draft.touched = now
        return draft

    def take(self, name: str, now: float) -> Draft:
        """A whole draft, which is none any more. Raises AliadError if it is empty or unknown."""
        draft = self._get(name, now)
        if not draft.texts:
            raise AliadError(
                "there is nothing to translate",
                "no text was sent",
                "Give a document that has sentences.",
            )
        return self._open.pop(name)

    def _get(self, name: str, now: float) -> Draft:
        self._drop_old(now)
        if name not in self._open:
            raise AliadError(
                "there is no such draft",
                f"one that nothing is added to for {AGE_SECONDS / 60:.0f} minutes is dropped",
                "Send the document again.",
            )
        return self._open[name]

    def _drop_old(self, now: float) -> None:
        for name in [n for n, one in self._open.items() if now - one.touched > AGE_SECONDS]:
            del self._open[name]
