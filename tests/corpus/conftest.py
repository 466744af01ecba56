"""Where the benchmark corpus lies, if it does."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def multi30k() -> Path:
    """The folder of the Multi30k corpus; tests that need it are skipped, with a reason, without."""
    beside = Path(__file__).parents[3] / "shared" / "data"
    folder = Path(os.environ.get("ALIAD_DATA", beside)) / "multi30k"
    if not folder.is_dir():
        pytest.skip(f"no Multi30k at {folder}; set ALIAD_DATA to the folder that holds multi30k/")
    return folder
