"""How the daemon ends: exit codes, and the one reason among the errors of many tasks.

| code | meaning | restart helps |
|---|---|---|
| 0 | asked to end | |
| 1 | a part failed for a reason of this host or the network | yes |
| 65 | the database is damaged, or the chain cannot be continued | no |
| 70 | a bug | yes |
| 74 | the disk refused | yes, once there is room |
| 78 | configuration, key or genesis cannot be used; something is in use | no |
"""

from typing import Final

from aliad.errors import AliadError, ConfigError, LocalProtocolError, StoreCorrupt
from aliad.node.committed import ChainBroken
from aliad.store.kv import StoreFailed

FAILED: Final = 1
DAMAGED: Final = 65
BUG: Final = 70
DISK: Final = 74
CONFIG: Final = 78

_CODES: Final[tuple[tuple[type[BaseException], int], ...]] = (
    (ConfigError, CONFIG),
    (StoreCorrupt, DAMAGED),
    (ChainBroken, DAMAGED),
    (StoreFailed, DISK),
    (LocalProtocolError, BUG),
    (AliadError, FAILED),
)


def exit_code(error: BaseException) -> int:
    """What the daemon exits with after this error."""
    for kind, code in _CODES:
        if isinstance(error, kind):
            return code
    return FAILED if isinstance(error, OSError) else BUG


def find_reason(error: BaseException) -> BaseException:
    """The error of a group that explains most: damage before configuration, bugs, and the rest."""
    leaves = list(_leaves(error))
    return max(leaves, key=_weight, default=error)


def _weight(error: BaseException) -> int:
    order = (DAMAGED, DISK, CONFIG, BUG, FAILED)
    return len(order) - order.index(exit_code(error))


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for part in error.exceptions for leaf in _leaves(part)]
    return [error]
