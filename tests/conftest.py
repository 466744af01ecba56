"""How all tests run: on one thread; hypothesis with the same examples every time and no deadline.

`make test` has two processes run them, a file at a time; `pytest` alone is one process.

`pytest --hypothesis-profile=explore` draws new examples and tries more of them.
"""

import os
import signal
from pathlib import Path
from typing import Final

import pytest
import torch
from hypothesis import HealthCheck, settings

# A busy machine is no failure: nothing here is asserted about time.
settings.register_profile(
    "steady", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile(
    "explore", deadline=None, max_examples=1000, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("steady")

# The tensors of tests are small, and two threads that wait for each other on a busy machine are
# several times slower than one. Tests of threads set their own number, in processes of their own.
os.environ.setdefault("OMP_NUM_THREADS", "1")
torch.set_num_threads(1)

# Whoever runs the tests in the background may have SIGINT ignored, which children inherit.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Files that take half a minute and more begin first, so that no process is left with one of them
# when the other has nothing to do. While one runs many daemons, the other does what mostly waits.
LONGEST: Final = (
    "tests/orders/test_devnet.py",
    "tests/net/libp2p/test_workarounds.py",
    "tests/net/hostile/test_silence.py",
    "tests/net/blobs/test_exchange.py",
    "tests/net/hostile/test_churn.py",
    "tests/work/test_daemons.py",
    "tests/daemon/test_lifecycle.py",
    "tests/compute/test_exactness.py",
    "tests/daemon/test_devnet.py",
    "tests/byzantine/test_liars.py",
    "tests/simulation/test_simulation.py",
)
ROOT: Final = Path(__file__).parent.parent


def pytest_configure() -> None:
    """A file of another name would lose its place unnoticed."""
    lost = [name for name in LONGEST if not (ROOT / name).is_file()]
    if lost:
        raise pytest.UsageError(f"tests/conftest.py names files that are not there: {lost}")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests of the longest files first."""
    place = {ROOT / name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path, len(place)))
