"""Unbiased integer randomness from a seed: orders of workers, orders of batches, draws."""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Final, TypeVar

from aliad.crypto import digest, domain
from aliad.types import Epoch, Hash32, JobId, NodeId, Round

T = TypeVar("T")

_ROUND_DOMAIN: Final = domain("round-order")
_DRAW_DOMAIN: Final = domain("draw")
_REDRAW_DOMAIN: Final = domain("redraw")
_EPOCH_DOMAIN: Final = domain("epoch-order")
_FEISTEL_ROUNDS: Final = 8


class Randomness:
    """A stream of numbers, the same on every node: SHA-256 of seed and counter."""

    def __init__(self, seed: Hash32) -> None:
        self._seed = seed
        self._counter = 0

    def below(self, limit: int) -> int:
        """A uniform number from 0 to ``limit - 1``; values that would be biased are skipped."""
        fair = 2**256 - 2**256 % limit
        while True:
            block = hashlib.sha256(self._seed + self._counter.to_bytes(8, "big")).digest()
            self._counter += 1
            number = int.from_bytes(block, "big")
            if number < fair:
                return number % limit

    def shuffle(self, items: Iterable[T]) -> list[T]:
        """All items in a uniform order (Fisher and Yates)."""
        result = list(items)
        for last in range(len(result) - 1, 0, -1):
            other = self.below(last + 1)
            result[last], result[other] = result[other], result[last]
        return result

    def pick(self, weights: Sequence[int]) -> int:
        """An index, with a chance in proportion to its weight."""
        ticket = self.below(sum(weights))
        for index, weight in enumerate(weights):
            ticket -= weight
            if ticket < 0:
                return index
        raise AssertionError("the ticket is below the sum of the weights")


def compute_round_seed(job: JobId, number: Round, beacon: Hash32) -> Hash32:
    """H(beacon | job | round): nobody who takes part can choose it."""
    return digest(_ROUND_DOMAIN, beacon + job + number.to_bytes(8, "big"))


def compute_order(seed: Hash32, nodes: Iterable[NodeId]) -> tuple[NodeId, ...]:
    """The workers in the order of a round, whatever order they come in."""
    return tuple(Randomness(seed).shuffle(sorted(nodes)))


def compute_draw_seed(job: JobId, number: Round, beacon: Hash32) -> Hash32:
    """The seed that says which batches of a round are checked."""
    return digest(_DRAW_DOMAIN, beacon + job + number.to_bytes(8, "big"))


def compute_redraw_seed(job: JobId, number: Round, batch: int, beacon: Hash32) -> Hash32:
    """The seed that says who checks a batch that is drawn again."""
    return digest(
        _REDRAW_DOMAIN, beacon + job + number.to_bytes(8, "big") + batch.to_bytes(8, "big")
    )


def compute_epoch_seed(job: JobId, epoch: Epoch, shuffle: Hash32) -> Hash32:
    """The seed of the order of an epoch's batches."""
    return digest(_EPOCH_DOMAIN, shuffle + job + epoch.to_bytes(8, "big"))


def get_shuffled_index(seed: Hash32, position: int, size: int) -> int:
    """The entry at ``position`` of a shuffle of ``range(size)``, without making the others.

    A Feistel network over the smallest even number of bits that holds ``size`` permutes a power of
    four; positions that fall outside are walked on until they fall inside (Black and Rogaway 2002,
    cycle walking).
    """
    half = max(1, ((size - 1).bit_length() + 1) // 2)
    while True:
        position = _permute(seed, position, half)
        if position < size:
            return position


def _permute(seed: Hash32, value: int, half: int) -> int:
    mask = (1 << half) - 1
    left, right = value >> half, value & mask
    for step in range(_FEISTEL_ROUNDS):
        data = seed + bytes([step]) + right.to_bytes(8, "big")
        mixed = int.from_bytes(hashlib.sha256(data).digest()[:8], "big") & mask
        left, right = right, left ^ mixed
    return left << half | right
