"""Both ways to compute: with the fused kernels, and with the torch formulas they stand for."""

import pytest

from tests.compute import oracle


@pytest.fixture(params=["kernels", "formulas"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run the test once with the kernels and once with the torch formulas."""
    name = str(request.param)
    if name == "formulas":
        for module in oracle.CHOOSING:
            monkeypatch.setattr(module, "usable", oracle.never)
    return name
