"""The signer log of a simulated node: what was synced survives, the last write may be lost."""

from collections.abc import Sequence

from aliad.types import Height


class SimulatedDisk:
    """Fulfils `aliad.consensus.signer_log.SignerLog`."""

    def __init__(self) -> None:
        self._records: dict[Height, dict[bytes, bytes]] = {}

    def vote_from(self) -> Height:
        return Height(0)

    def load(self, height: Height) -> Sequence[tuple[bytes, bytes]]:
        return sorted(self._records.get(height, {}).items())

    def write(self, height: Height, records: Sequence[tuple[bytes, bytes]]) -> None:
        self._records.setdefault(height, {}).update(records)

    def forget(self, height: Height) -> None:
        for old in [each for each in self._records if each <= height]:
            del self._records[old]
