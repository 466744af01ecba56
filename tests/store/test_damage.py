"""A database that was damaged on disk is noticed and explained, and never passes for a good one."""

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from aliad.errors import StoreCorrupt
from aliad.store.chain import open_chain
from aliad.store.signer import SignerStore, open_signer
from aliad.store.tipmark import TipMark
from aliad.store.verification import verify_chain
from aliad.types import Height
from tests.store.chains import FORMAT, GENESIS, SeededExecutor, everything, fill

SEEDS = 500
SMALL_BUFFER = 64 << 10  # bytes, so that the chain fills several tables


def flip_a_bit(data: bytearray, dice: random.Random) -> None:
    data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)


def flip_a_late_bit(data: bytearray, dice: random.Random) -> None:
    """The last records of a log are where LevelDB takes damage for a crash."""
    data[len(data) - 1 - dice.randrange(min(len(data), 2000))] ^= 1 << dice.randrange(8)


def overwrite_a_run(data: bytearray, dice: random.Random) -> None:
    start = dice.randrange(len(data))
    run = dice.randbytes(dice.randrange(1, 64))
    data[start : start + len(run)] = run[: len(data) - start]


def zero_a_sector(data: bytearray, dice: random.Random) -> None:
    start = dice.randrange(len(data)) // 512 * 512
    end = min(len(data), start + 512)
    data[start:end] = bytes(end - start)


def cut_anywhere(data: bytearray, dice: random.Random) -> None:
    del data[dice.randrange(len(data)) :]


def cut_the_end(data: bytearray, dice: random.Random) -> None:
    del data[-dice.randrange(1, min(len(data), 4000)) :]


def take_out_a_piece(data: bytearray, dice: random.Random) -> None:
    start = dice.randrange(len(data))
    del data[start : start + dice.randrange(1, 5000)]


def double_the_end(data: bytearray, dice: random.Random) -> None:
    data += data[-dice.randrange(1, len(data) + 1) :]


DAMAGES: list[Callable[[bytearray, random.Random], None]] = [
    flip_a_bit,
    flip_a_late_bit,
    overwrite_a_run,
    zero_a_sector,
    cut_anywhere,
    cut_the_end,
    take_out_a_piece,
    double_the_end,
]


def damage(directory: Path, dice: random.Random) -> str:
    """Damage one file of a database; the kinds of file are equally likely."""
    kinds: dict[str, list[Path]] = {}
    for file in sorted(directory.iterdir()):
        if file.stat().st_size and file.name not in ("LOCK", "LOG", "LOG.old"):
            kinds.setdefault(file.name.split("-")[0] + file.suffix, []).append(file)
    kinds = {("table" if kind.endswith(".ldb") else kind): files for kind, files in kinds.items()}
    file = dice.choice(kinds[dice.choice(sorted(kinds))])
    if dice.randrange(20) == 0:
        file.unlink()
        return f"removed {file.name}"
    data = bytearray(file.read_bytes())
    how = dice.choice(DAMAGES)
    how(data, dice)
    file.write_bytes(data)
    return f"{how.__name__} in {file.name}"


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A chain in tables of several levels, with its newest blocks still in the log."""
    directory = tmp_path_factory.mktemp("pristine") / "chain"
    for upto in (90, 120, 140):
        with open_chain(directory, FORMAT, GENESIS, write_buffer=SMALL_BUFFER) as chain:
            fill(chain, upto)
    names = {file.suffix for file in directory.iterdir()}
    assert {".ldb", ".log"} <= names
    assert sum(file.suffix == ".ldb" for file in directory.iterdir()) >= 3
    return directory


def test_the_pristine_chain_verifies(pristine: Path, tmp_path: Path) -> None:
    directory = tmp_path / "chain"
    shutil.copytree(pristine, directory)
    with open_chain(directory, FORMAT, GENESIS) as chain:
        report = verify_chain(chain.reader(), FORMAT, GENESIS, SeededExecutor())
    assert (report.height, report.blocks, report.transactions) == (140, 140, 420)
    assert report.replayed
    assert report.audit_entries == 140


def outcome(directory: Path, oracle: dict[bytes, bytes]) -> str:
    """What a node makes of a database: explained, intact, or wrong data passed as good."""
    try:
        with open_chain(directory, FORMAT, GENESIS) as chain:
            if everything(chain.reader()) == oracle:
                return "intact"
            verify_chain(chain.reader(), FORMAT, GENESIS, SeededExecutor())
    except StoreCorrupt as error:
        return "explained" if error.what and error.fix else f"no advice: {error}"
    return "wrong data passed as good"


@pytest.mark.timeout(1800)
def test_damage_is_explained_or_harmless(pristine: Path, tmp_path: Path) -> None:
    start = tmp_path / "oracle"
    shutil.copytree(pristine, start)
    with open_chain(start, FORMAT, GENESIS) as chain:
        oracle = everything(chain.reader())
    seen: dict[str, int] = {}
    for seed in range(SEEDS):
        directory = tmp_path / "damaged"
        shutil.copytree(pristine, directory)
        what = damage(directory, random.Random(seed))
        first = outcome(directory, oracle)
        again = outcome(directory, oracle)  # opening it must not have made it pass
        assert first in ("explained", "intact"), f"seed {seed}: {what}: {first}"
        assert again == first, f"seed {seed}: {what}: {first}, then {again}"
        seen[first] = seen.get(first, 0) + 1
        shutil.rmtree(directory)
    assert seen["explained"] > SEEDS // 2, "most damage must be noticed"
    print(seen)


def vote(signer: SignerStore, height: int) -> None:
    signer.write(Height(height), [(b"vote/%d" % n, b"x" * 90) for n in range(3)])


@pytest.mark.timeout(1800)
def test_a_damaged_signer_log_never_forgets_silently(tmp_path: Path) -> None:
    pristine = tmp_path / "pristine"
    for start, end in ((1, 60), (60, 90), (90, 100)):
        with open_signer(pristine, GENESIS.hash, new_key=True) as signer:
            for height in range(start, end):
                vote(signer, height)
                if height % 10 == 9 and height < 95:
                    signer.forget(Height(height - 3))
            records = {h: tuple(signer.load(Height(h))) for h in range(1, 101)}
    seen: dict[str, int] = {}
    for seed in range(SEEDS):
        directory = tmp_path / "damaged"
        shutil.copytree(pristine, directory)
        what = damage(directory, random.Random(seed))
        for _ in range(2):
            try:
                with open_signer(directory, GENESIS.hash) as signer:
                    found = {h: tuple(signer.load(Height(h))) for h in range(1, 101)}
                assert found == records, f"seed {seed}: {what}: votes were forgotten silently"
                result = "intact"
            except StoreCorrupt as error:
                result = "explained" if error.what and error.fix else f"no advice: {error}"
            seen[result] = seen.get(result, 0) + 1
        shutil.rmtree(directory)
    assert set(seen) <= {"explained", "intact"}
    assert seen["explained"] > SEEDS
    print(seen)


def test_the_mark_outlives_one_torn_slot(tmp_path: Path) -> None:
    directory = tmp_path / "chain"
    with open_chain(directory, FORMAT, GENESIS) as chain:
        fill(chain, 7)
    path = directory / "TIPMARK"
    content = path.read_bytes()
    for start in (0, 256):
        torn = bytearray(content)
        torn[start : start + 256] = bytes(256)
        path.write_bytes(torn)
        mark = TipMark(path)
        assert mark.mark.reached in (6, 7)
        mark.close()
        open_chain(directory, FORMAT, GENESIS).close()
    path.write_bytes(bytes(512))
    with pytest.raises(StoreCorrupt, match="how far"):
        open_chain(directory, FORMAT, GENESIS)
