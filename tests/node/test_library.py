"""Models that a node keeps: fetched by digest, checked, bounded, there again after a restart."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import trio
import trio.lowlevel

from aliad.compute.model_sums import CARD, CONFIG, PARAMETERS, SUMS, TOKENIZER
from aliad.compute.process.pool import ComputePool
from aliad.compute.process.spawning import ComputeSettings
from aliad.ledger.jobs import ClosedJob, Outcome
from aliad.node.blobs import NodeBlobs
from aliad.node.compute import NodeCompute
from aliad.node.library import ModelLibrary, Place
from aliad.spec.model_list import ModelFile, ModelList
from aliad.store.blobs import BlobStore
from aliad.types import JobId
from aliad.work.ports import Decoding, Interrupted, Refused, ServedModel, Unavailable
from tests.node.models import (
    CAPACITY,
    OWNER,
    SHAPE,
    CopyingExchange,
    copying_blobs,
    job_id,
    list_files,
    publish,
    publish_list,
    reseal,
    write_model,
)


@dataclass
class Shelf:
    """A library on a disk that outlives it, and a store that others publish in."""

    folder: Path
    budget: int = 1 << 20
    closed: dict[JobId, ClosedJob] = field(default_factory=dict)
    needed: set[JobId] = field(default_factory=set)
    proven: list[JobId] = field(default_factory=list)
    now: float = 1000.0
    refuses: bool = False

    def __post_init__(self) -> None:
        self.files.mkdir()
        self.others = BlobStore(self.folder / "others", CAPACITY)

    @property
    def files(self) -> Path:
        return self.folder / "files"

    async def open(self) -> ModelLibrary:
        """Start, or start again."""
        self.store, self.exchange = self._blobs()
        place = Place(self.folder / "kept", self.files, self.budget)
        library = ModelLibrary(
            place,
            self.store,
            self.closed.get,
            self._prove,
            lambda: frozenset(self.needed),
            self._clock,
        )
        await library.load()
        return library

    def _blobs(self) -> tuple[NodeBlobs, CopyingExchange]:
        return copying_blobs(self.folder / "blobs", self.files, [self.others])

    def _clock(self) -> float:
        self.now += 1
        return self.now

    async def _prove(self, model: ServedModel) -> None:
        await trio.lowlevel.checkpoint()
        assert (self.files / model.parameters.hex()).is_file()
        if self.refuses:
            raise Refused("a parameter is NaN")
        self.proven.append(model.model)

    def publish(self, number: int, change: Callable[[Path], None] = lambda _: None) -> JobId:
        """Have somebody finish a model."""
        folder = write_model(self.folder / f"model{number}", number)
        change(folder)
        return self.add(number, publish(self.others, folder))

    def add(self, number: int, closed: ClosedJob) -> JobId:
        self.closed[job_id(number)] = closed
        return job_id(number)

    async def obtain(self, library: ModelLibrary, model: JobId) -> ServedModel:
        return await library.obtain(model, self.closed[model], (OWNER,))

    def names(self) -> set[str]:
        """Files in the compute processes' directory."""
        return {path.name for path in self.files.iterdir()}


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


@pytest.mark.trio
async def test_a_model_is_fetched_once_and_there_after_a_restart(shelf: Shelf) -> None:
    library = await shelf.open()
    model = shelf.publish(1)
    assert library.get(model) is None
    served = await shelf.obtain(library, model)
    assert (served.model, served.shape) == (model, SHAPE)
    parameters = (shelf.folder / "model1" / PARAMETERS).read_bytes()
    assert (shelf.files / served.parameters.hex()).read_bytes() == parameters
    assert await shelf.obtain(library, model) == served
    assert library.held() == {model}
    assert shelf.proven == [model]

    again = await shelf.open()
    assert again.held() == {model}
    assert again.get(model) == served
    assert again.files() == {served.parameters}
    assert await shelf.obtain(again, model) == served
    assert shelf.exchange.moved == []
    assert shelf.proven == [model]
    assert again.used == library.used > len(parameters)


@pytest.mark.trio
async def test_what_is_kept_can_be_fetched_by_others(shelf: Shelf, tmp_path: Path) -> None:
    library = await shelf.open()
    model = shelf.publish(1)
    await shelf.obtain(library, model)
    store = shelf.exchange.mine
    other = BlobStore(tmp_path / "third", CAPACITY)
    for blob in store.pinned_by(f"model-{model.hex()}"):
        held = store.holding(blob)
        assert held is not None
        assert held.complete
        assert held.readers is None
    files = tmp_path / "third-files"
    files.mkdir()
    blobs, _ = copying_blobs(tmp_path / "third", files, [store])
    place = Place(tmp_path / "third-kept", files, 1 << 20)
    third = ModelLibrary(place, blobs, shelf.closed.get, _take, frozenset[JobId], lambda: 1.0)
    await third.load()
    assert (await shelf.obtain(third, model)).model == model
    assert other is not None


async def _take(_: ServedModel) -> None:
    await trio.lowlevel.checkpoint()


@pytest.mark.trio
async def test_a_customer_needs_no_parameters(shelf: Shelf) -> None:
    library = await shelf.open()
    model = shelf.publish(1)
    about = await library.describe(model, shelf.closed[model], (OWNER,))
    assert (about.shape, about.languages.source, about.card.bleu) == (SHAPE, "en", 12.25)
    assert await library.tokenizer(model) == b"opaque"
    assert library.held() == frozenset()
    assert shelf.names() == set()
    assert max(shelf.exchange.moved) < about.parameters.size

    again = await shelf.open()
    assert again.about(model) == about
    (shelf.folder / "kept" / model.hex() / TOKENIZER).unlink()
    with pytest.raises(Interrupted):
        await again.tokenizer(model)
    await again.describe(model, shelf.closed[model], (OWNER,))
    assert await again.tokenizer(model) == b"opaque"


@pytest.mark.trio
async def test_the_budget_holds_and_what_was_used_last_stays(shelf: Shelf) -> None:
    models = [shelf.publish(number) for number in (1, 2, 3)]
    library = await shelf.open()
    await shelf.obtain(library, models[0])
    shelf.budget = 2 * library.used + library.used // 2
    library = await shelf.open()
    await shelf.obtain(library, models[1])
    await shelf.obtain(library, models[0])
    await shelf.obtain(library, models[2])
    assert library.held() == {models[0], models[2]}
    assert library.used <= shelf.budget
    assert shelf.names() == {file.hex() for file in library.files()}

    shelf.needed = {models[0]}
    await shelf.obtain(library, models[1])
    assert library.held() == {models[0], models[1]}
    shelf.needed = {models[0], models[1]}
    with pytest.raises(Refused, match="no room") as caught:
        await shelf.obtain(library, models[2])
    assert "orders.disk" in str(caught.value)
    assert library.held() == {models[0], models[1]}
    assert library.is_refused(models[2])


@pytest.mark.trio
async def test_models_that_come_at_once_do_not_exceed_the_budget(shelf: Shelf) -> None:
    models = [shelf.publish(number) for number in range(5)]
    library = await shelf.open()
    await shelf.obtain(library, models[0])
    shelf.budget = 2 * library.used + library.used // 2
    library = await shelf.open()
    shelf.exchange.delay = 0.01
    most, refused = 0, 0

    async def obtain(model: JobId) -> None:
        nonlocal refused
        try:
            await shelf.obtain(library, model)
        except Refused:
            refused += 1

    async with trio.open_nursery() as nursery:
        for model in models:
            nursery.start_soon(obtain, model)
        with trio.move_on_after(0.5):
            while len(library.held()) + refused < 5:
                most = max(most, library.used)
                await trio.sleep(0.001)
    assert 0 < most <= shelf.budget
    assert library.used <= shelf.budget
    assert library.held()
    assert shelf.names() == {file.hex() for file in library.files()}


@pytest.mark.trio
async def test_dropping_leaves_nothing_but_the_description(shelf: Shelf) -> None:
    library = await shelf.open()
    model = shelf.publish(1)
    await shelf.obtain(library, model)
    await library.drop(model)
    await library.drop(model)
    await library.drop(job_id(9))
    assert (library.held(), shelf.names()) == (frozenset(), set())
    assert library.about(model) is not None
    assert not shelf.exchange.mine.pinned_by(f"model-{model.hex()}.parameters")
    assert (await shelf.open()).held() == frozenset()
    await shelf.obtain(library, model)
    assert library.held() == {model}


@pytest.mark.trio
async def test_a_damaged_file_is_found_at_the_start(shelf: Shelf) -> None:
    library = await shelf.open()
    model = shelf.publish(1)
    served = await shelf.obtain(library, model)
    path = shelf.files / served.parameters.hex()
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.unlink()  # the blob's file is another link
    path.write_bytes(content)
    again = await shelf.open()
    assert (again.held(), again.files()) == (frozenset(), frozenset())
    assert again.about(model) is not None
    await shelf.obtain(again, model)
    assert path.read_bytes() != bytes(content)

    (shelf.folder / "kept" / model.hex() / CONFIG).write_bytes(b"{}")
    assert (await shelf.open()).about(model) is None


@pytest.mark.trio
async def test_what_the_ledger_does_not_know_is_put_away(shelf: Shelf) -> None:
    library = await shelf.open()
    model = shelf.publish(1)
    await shelf.obtain(library, model)
    (shelf.folder / "kept" / "rubbish").mkdir()
    del shelf.closed[model]
    again = await shelf.open()
    assert again.used == 0
    assert list((shelf.folder / "kept").iterdir()) == []
    assert not [owner for owner in shelf.exchange.mine.owners() if owner.startswith("model-")]


def _bigger(name: str, size: int) -> Callable[[ModelFile], ModelFile]:
    return lambda file: replace(file, size=size) if file.name == name else file


def _renamed(name: str, other: str) -> Callable[[ModelFile], ModelFile]:
    return lambda file: replace(file, name=other) if file.name == name else file


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (_renamed(CONFIG, "config.pickle"), "Its files are"),
        (_renamed(SUMS, "SHA1SUMS"), "Its files are"),
        (_bigger(TOKENIZER, 1 << 30), "are the most"),
        (_bigger(CONFIG, 1 << 20), "are the most"),
        (_bigger(PARAMETERS, 1 << 36), "a model of its shape"),
        (_bigger(PARAMETERS, 100), "a model of its shape"),
        (_bigger(TOKENIZER, 20), "promise"),
    ],
)
@pytest.mark.trio
async def test_hostile_lists_are_refused(
    shelf: Shelf, change: Callable[[ModelFile], ModelFile], why: str
) -> None:
    library = await shelf.open()
    folder = write_model(shelf.folder / "model", 1)
    files = list_files(shelf.others, folder).files
    changed = sorted((change(file) for file in files), key=lambda file: file.name)
    model = shelf.add(1, publish_list(shelf.others, ModelList(tuple(changed))))
    with pytest.raises(Refused) as caught:
        await shelf.obtain(library, model)
    assert why in caught.value.why
    assert (library.used, shelf.names()) == (0, set())
    assert not shelf.exchange.mine.pinned_by(f"model-{model.hex()}")


def _spoil(name: str, content: bytes, *, sealed: bool) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        (folder / name).write_bytes(content)
        if sealed:
            reseal(folder)

    return spoil


def _edited(name: str, old: str, new: str) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        text = (folder / name).read_text()
        assert old in text
        (folder / name).write_text(text.replace(old, new))
        reseal(folder)

    return edit


def _other_shape(folder: Path) -> None:
    text = (folder / CONFIG).read_text().replace('"width": 16', '"width": 24')
    (folder / CONFIG).write_text(text)
    reseal(folder)


@pytest.mark.parametrize(
    "spoil",
    [
        _spoil(TOKENIZER, b"another", sealed=False),
        _spoil(CONFIG, b'{"model": {}}', sealed=True),
        _spoil(CARD, b"[" * 100_000, sealed=True),
        _spoil(SUMS, b"00" * 32 + b"  ../../etc/passwd\n", sealed=False),
        _other_shape,
        _edited(CONFIG, '"en"', r'"\ud800"'),
        _edited(CARD, '"model 1"', r'"\u001b[2J"'),
        _edited(CARD, "12.25", "NaN"),
        _edited(CARD, "12.25", "1e999"),
    ],
)
@pytest.mark.trio
async def test_unsound_models_are_refused(shelf: Shelf, spoil: Callable[[Path], None]) -> None:
    library = await shelf.open()
    model = shelf.publish(1, spoil)
    with pytest.raises(Refused):
        await shelf.obtain(library, model)
    assert (library.used, shelf.names()) == (0, set())


@pytest.mark.trio
async def test_other_parameters_than_promised_are_refused(shelf: Shelf) -> None:
    """The file is a sound one, of another model that is kept here: that one must not suffer."""
    library = await shelf.open()
    good = shelf.publish(1)
    await shelf.obtain(library, good)
    files = list_files(shelf.others, write_model(shelf.folder / "liar", 2)).files
    theirs = {file.name: file for file in list_files(shelf.others, shelf.folder / "model1").files}
    mixed = ModelList(tuple(theirs[f.name] if f.name == PARAMETERS else f for f in files))
    liar = shelf.add(2, publish_list(shelf.others, mixed))
    with pytest.raises(Refused, match="promises"):
        await shelf.obtain(library, liar)
    assert library.held() == {good}
    assert len(shelf.names()) == 1


@pytest.mark.trio
async def test_what_the_ledger_names_counts(shelf: Shelf) -> None:
    library = await shelf.open()
    model = shelf.publish(1)
    closed = shelf.closed[model]
    for wrong in (
        replace(closed, outcome=Outcome.FAILED),
        replace(closed, card=closed.model),
        replace(closed, model=closed.card),
    ):
        with pytest.raises(Refused):
            await library.obtain(model, wrong, (OWNER,))
    shelf.exchange.others = []
    with pytest.raises(Unavailable):
        await library.obtain(model, closed, (OWNER,))
    shelf.exchange.others = [shelf.others]
    shelf.refuses = True
    with pytest.raises(Refused, match="NaN"):
        await library.obtain(model, closed, (OWNER,))
    assert (library.used, shelf.names()) == (0, set())


async def _kill_at_work(compute: NodeCompute, pool: ComputePool) -> None:
    while not any(device.task for device in compute.devices()):
        await trio.lowlevel.checkpoint()
    pool.processes[0].kill()


@pytest.mark.trio
async def test_a_compute_process_proves_and_translates(tmp_path: Path) -> None:
    """Real processes: a sound model is taken, one with a NaN is not, a damaged file is told."""
    shelf = Shelf(tmp_path)
    pool = ComputePool([ComputeSettings(shelf.files)])
    compute = NodeCompute(pool)
    shelf.store, shelf.exchange = shelf._blobs()
    library = ModelLibrary(
        Place(tmp_path / "kept", shelf.files, 1 << 20),
        shelf.store,
        shelf.closed.get,
        compute.prove,
        frozenset[JobId],
        lambda: 1.0,
    )

    def not_a_number(folder: Path) -> None:
        path = folder / PARAMETERS
        path.write_bytes(path.read_bytes()[:-4] + b"\x00\x00\xc0\x7f")
        reseal(folder)

    with trio.fail_after(600):
        async with trio.open_nursery() as nursery:
            await nursery.start(pool.run)
            await library.load()
            served = await shelf.obtain(library, shelf.publish(1))
            assert compute.translated.done == 0
            with pytest.raises(Refused):
                await shelf.obtain(library, shelf.publish(2, not_a_number))
            sources = ((5, 6, 7, 3), (9, 3))
            found = await compute.translate(Decoding(served, sources, 2))
            alone = [await compute.translate(Decoding(served, (one,), 2)) for one in sources]
            assert found.passages == tuple(each.passages[0] for each in alone)
            assert all(passage.score > 0 for passage in found.passages)
            assert compute.translated.done == 3
            (device,) = compute.devices()
            assert device.translated > 0
            assert device.tokens == 0
            with pytest.raises(Refused):
                await compute.translate(Decoding(served, ((999, 3),), 2))
            path = shelf.files / served.parameters.hex()
            path.unlink()
            with pytest.raises(Interrupted, match="damaged or gone"):
                await compute.translate(Decoding(served, sources, 2))
            assert library.get(served.model) is None
            assert await shelf.obtain(library, served.model) == served
            nursery.start_soon(_kill_at_work, compute, pool)
            with pytest.raises(Interrupted):
                await compute.translate(Decoding(served, sources * 16, 8))
            assert (
                await compute.translate(Decoding(served, sources, 2))
            ).passages == found.passages
            nursery.cancel_scope.cancel()
