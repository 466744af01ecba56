"""Merkle trees over a list: leaf ``H(0x00 | data)``, node ``H(0x01 | left | right)``.

The different first bytes keep a node from passing for a leaf (RFC 6962, section 2.1). A list of n
leaves is filled up with ``EMPTY`` to the next power of two. An empty list has the root ``EMPTY``.
"""

import hashlib
from collections.abc import Sequence
from typing import Final

from aliad.types import Hash32

MAX_DEPTH: Final = 32


def compute_leaf(data: bytes) -> Hash32:
    """Hash of one entry."""
    return Hash32(hashlib.sha256(b"\x00" + data).digest())


def compute_node(left: bytes, right: bytes) -> Hash32:
    """Hash of two neighbours."""
    return Hash32(hashlib.sha256(b"\x01" + left + right).digest())


EMPTY: Final = compute_leaf(b"")


def get_depth(count: int) -> int:
    """Levels above ``count`` leaves."""
    return (count - 1).bit_length() if count > 1 else 0


def compute_levels(leaves: Sequence[Hash32]) -> list[list[Hash32]]:
    """All levels, leaves first, the root alone in the last."""
    level = list(leaves) + [EMPTY] * ((1 << get_depth(len(leaves))) - len(leaves))
    levels = [level]
    while len(level) > 1:
        level = [compute_node(level[at], level[at + 1]) for at in range(0, len(level), 2)]
        levels.append(level)
    return levels


def compute_root(leaves: Sequence[Hash32]) -> Hash32:
    """The root over all leaves."""
    return compute_levels(leaves)[-1][0]


def compute_path(levels: Sequence[Sequence[Hash32]], index: int) -> tuple[Hash32, ...]:
    """The neighbours from leaf ``index`` up to the root."""
    return tuple(level[(index >> depth) ^ 1] for depth, level in enumerate(levels[:-1]))


def is_valid_path(
    root: Hash32, leaf: Hash32, index: int, count: int, path: Sequence[Hash32]
) -> bool:
    """Whether ``leaf`` is entry ``index`` of ``count`` under ``root``."""
    if not 0 <= index < count or len(path) != get_depth(count):
        return False
    node = leaf
    for depth, neighbour in enumerate(path):
        right = index >> depth & 1
        node = compute_node(neighbour, node) if right else compute_node(node, neighbour)
    return node == root
