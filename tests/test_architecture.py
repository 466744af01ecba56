"""Imports point down only: a package may import what is on a lower layer, never up or sideways."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "aliad"

# Packages of one layer are siblings and do not import each other, except the leaves.
LAYERS: list[set[str]] = [
    {"errors", "types", "codec", "crypto", "peer_id", "blob", "config", "keys", "durable"},
    {"ledger", "spec"},
    {"net", "work", "consensus", "compute", "store", "corpus", "documents"},
    {"local", "node"},
    {"rpc"},
    {"daemon"},
    {"cli"},
]
LAYER_OF = {name: depth for depth, names in enumerate(LAYERS) for name in names}

# Cores take `(input, now)` and return effects: nothing in them may reach the outside world.
PURE = [
    "ledger/*.py",
    "consensus/[!e]*.py",
    "consensus/e[!n]*.py",
    "store/sync_*.py",
    "net/limits.py",
    "net/dedup.py",
    "net/blobs/provider.py",
    "net/blobs/wire.py",
    "net/blobs/steps.py",
    "net/blobs/asking.py",
    "net/blobs/fetching.py",
    "net/blobs/requests.py",
    "store/blob_index.py",
    "blob.py",
    "net/metrics.py",
    "net/peers/[!ef]*.py",
    "documents/[!r]*.py",
    "work/dataset.py",
    "work/draws.py",
    "work/follower.py",
    "work/history.py",
    "work/judging.py",
    "work/messages.py",
    "work/notebook.py",
    "work/opening.py",
    "work/originator.py",
    "work/reports.py",
    "work/seeds.py",
    "work/situation.py",
    "work/states.py",
    "work/trainer.py",
    "work/reveals.py",
    "work/disputes/[!ac]*.py",
    "work/orders/book.py",
    "work/orders/customer.py",
    "work/orders/entitlement.py",
    "work/orders/messages.py",
    "work/orders/opening.py",
    "work/orders/pro*.py",
    "work/orders/translator.py",
    "spec/order.py",
]
WORLD = {"trio", "libp2p", "plyvel", "torch", "time", "random", "os", "socket", "pathlib"}

MODULES = sorted(ROOT.rglob("*.py"))


def imported(path: Path) -> set[str]:
    """Every module name the file imports, wherever in the file the import stands."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide the arrow, write it out"
            names.add(str(node.module))
            if node.module == "aliad":
                names |= {f"aliad.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_down(path: Path) -> None:
    place = path.relative_to(ROOT).parts[0].removesuffix(".py")
    if place == "__init__":
        return
    assert place in LAYER_OF, f"name the layer of {place!r} in LAYERS"
    for name in imported(path):
        parts = name.split(".")
        if parts[0] != "aliad" or len(parts) < 2 or parts[1] in (place, "__version__"):
            continue
        target = LAYER_OF[parts[1]]
        below = target < LAYER_OF[place] or (target == LAYER_OF[place] == 0)
        assert below, f"{path.relative_to(ROOT)} imports {name}: that arrow points up or sideways"


@pytest.mark.parametrize("pattern", PURE)
def test_cores_do_not_touch_the_world(pattern: str) -> None:
    for path in ROOT.glob(pattern):
        reached = {name.split(".")[0] for name in imported(path)} & WORLD
        assert not reached, f"{path.relative_to(ROOT)} is a pure core but imports {sorted(reached)}"
