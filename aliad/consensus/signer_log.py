"""What a validator must remember across a crash to never contradict itself.

The log holds the node's own votes, the certificates and the blocks of the one open height. It is
never copied or restored from a backup: an old log is a double vote waiting to happen.
"""

from collections.abc import Sequence
from typing import Protocol

from aliad.types import Height


class SignerLog(Protocol):
    """Records are opaque pairs of key and value; a later write of the same key replaces it."""

    def vote_from(self) -> Height:
        """The first height this log may sign for.

        Zero for a log created together with its key; some heights above the tip for one created
        later, since nobody knows what the lost one had promised. Asked again after each commit.
        """

    def load(self, height: Height) -> Sequence[tuple[bytes, bytes]]:
        """The records written for ``height``, in ascending order of their keys."""

    def write(self, height: Height, records: Sequence[tuple[bytes, bytes]]) -> None:
        """Add records as one atomic batch, and return only when they are on the disk.

        What depends on them is sent after this returns; if it raises, nothing is sent.
        """

    def forget(self, height: Height) -> None:
        """Drop the records of ``height`` and of all below: its block is stored for good."""
