"""What can go wrong with a request, as the other side is told and as the caller sees it."""

from enum import IntEnum

from aliad.errors import AliadError


class Family(IntEnum):
    """What kind of failure a reply reports. The family decides the caller's reaction."""

    REFUSED = 1
    DIVERGED = 2
    CANCELLED = 3
    OUT_OF_MEMORY = 4
    FAILED = 5
    NOT_STORED = 6


class ComputeError(AliadError):
    """A request brought no result."""


class ComputeRefused(ComputeError):
    """The request or one of its files cannot be used. Asking again will not help."""


class ComputeDiverged(ComputeError):
    """A tensor left the range of exact arithmetic: NaN, an infinity, 2**62 or more."""


class ComputeCancelled(ComputeError):
    """The request was cancelled before it was done."""


class ComputeOutOfMemory(ComputeError):
    """The device has too little memory for this request. A smaller one may work."""


class ComputeNotStored(ComputeError):
    """The disk does not take the result. Asking again helps once there is room."""


class ComputeFailed(ComputeError):
    """Something unforeseen: a bug, or a device that fails. The process may start afresh."""


class ComputeDied(ComputeError):
    """The process ended with the request in hand. It is being started again: ask again."""


_FAMILIES: dict[Family, type[ComputeError]] = {
    Family.REFUSED: ComputeRefused,
    Family.DIVERGED: ComputeDiverged,
    Family.CANCELLED: ComputeCancelled,
    Family.OUT_OF_MEMORY: ComputeOutOfMemory,
    Family.FAILED: ComputeFailed,
    Family.NOT_STORED: ComputeNotStored,
}


def failure(family: Family, what: str, why: str, fix: str) -> ComputeError:
    """The exception for a reported failure."""
    return _FAMILIES[family](what, why, fix)
