"""Finished models as their originators publish them, and stores that fetch from each other."""

from collections.abc import Collection, Iterable
from hashlib import sha256
from pathlib import Path

import trio

from aliad.blob import Readers
from aliad.compute.model_card import Card
from aliad.compute.model_config import Languages
from aliad.compute.model_folder import Model, save_model
from aliad.compute.model_sums import CARD, SUMS
from aliad.compute.transformer import initial_parameters
from aliad.ledger.jobs import ClosedJob, JobKind, Outcome
from aliad.net.blobs.exchange import BlobNotFetched
from aliad.node.blobs import NodeBlobs
from aliad.spec.model import ModelConfig
from aliad.spec.model_list import ModelFile, ModelList, encode_model_list
from aliad.store.blobs import BlobStore
from aliad.types import BlobId, Hash32, JobId, NodeId, PeerId, Round

SHAPE = ModelConfig(
    vocabulary=300, width=16, hidden=32, heads=2, encoder_layers=1, decoder_layers=1, length=32
)
OWNER = NodeId(bytes(31) + b"\x07")
CAPACITY = 64 << 20


def make_card(name: str = "tiny", state: bytes = bytes(32)) -> Card:
    return Card(
        name=name,
        languages="en-de",
        pairs=3,
        target_tokens=9,
        held_out=1,
        epochs=2,
        rounds=4,
        work=5,
        training_loss=2.5,
        validation_loss=None,
        bleu=12.25,
        chrf=None,
        recipe="rounds",
        spec="00" * 32,
        dataset="11" * 32,
        tokenizer="22" * 32,
        state=state.hex(),
        engine="test",
    )


def write_model(
    folder: Path, seed: int = 1, tokenizer: bytes = b"opaque", shape: ModelConfig = SHAPE
) -> Path:
    """A model's folder; models of other seeds have other parameters."""
    card = make_card(f"model {seed}")
    parameters = initial_parameters(shape, seed)
    save_model(Model(shape, Languages("en", "de"), parameters, tokenizer, card), folder)
    return folder


def reseal(folder: Path) -> None:
    """Make SHA256SUMS true again, as someone who means to deceive would."""
    names = sorted(path.name for path in folder.iterdir() if path.name != SUMS)
    text = "".join(f"{sha256((folder / n).read_bytes()).hexdigest()}  {n}\n" for n in names)
    (folder / SUMS).write_text(text)


def publish(store: BlobStore, folder: Path) -> ClosedJob:
    """Offer a folder's files and their list; what the ledger would say of the job."""
    return publish_list(store, list_files(store, folder))


def list_files(store: BlobStore, folder: Path) -> ModelList:
    """Offer a folder's files."""
    files: list[ModelFile] = []
    for path in sorted(folder.iterdir()):
        content = path.read_bytes()
        files.append(ModelFile(path.name, len(content), offer(store, content)))
    return ModelList(tuple(files))


def publish_list(store: BlobStore, listed: ModelList, *, raw: bytes | None = None) -> ClosedJob:
    """Offer a list, or other bytes in its place."""
    blob = offer(store, encode_model_list(listed) if raw is None else raw)
    cards = [file.blob for file in listed.files if file.name == CARD]
    return close_job(blob, cards[0] if cards else BlobId(Hash32(bytes(32))))


def offer(store: BlobStore, content: bytes) -> BlobId:
    """Put bytes into a store, for everybody."""
    blob = store.add_bytes(content)
    store.offer(blob, None)
    return blob


def close_job(model: BlobId, card: BlobId, outcome: Outcome = Outcome.CLOSED) -> ClosedJob:
    """What the ledger says of a job that is over."""
    nothing = Hash32(bytes(32))
    return ClosedJob(
        JobKind.TRAINING, OWNER, nothing, outcome, Round(4), nothing, Hash32(model), Hash32(card)
    )


def job_id(number: int) -> JobId:
    return JobId(Hash32(sha256(b"job %d" % number).digest()))


class CopyingExchange:
    """Stands for the exchange: copies from stores in this process, and counts what it moved."""

    def __init__(self, mine: BlobStore, others: Iterable[BlobStore]) -> None:
        self.mine = mine
        self.others = list(others)
        self.moved: list[int] = []
        self.delay = 0.0

    async def fetch(
        self,
        blob: BlobId,
        providers: Collection[PeerId] = (),
        *,
        limit_bytes: int,
        deadline: float,
        readers: Readers = None,
    ) -> None:
        await trio.sleep(self.delay)
        if self.mine.is_complete(blob):
            return
        for other in self.others:
            held = other.holding(blob)
            if held is None or not held.complete:
                continue
            if held.manifest.length > limit_bytes:
                raise BlobNotFetched("the blob is larger than it may be", "", "")
            content = other.read(blob)
            self.moved.append(len(content))
            self.mine.add_bytes(content, readers=readers)
            return
        raise BlobNotFetched("nobody has the blob", "", "")


def copying_blobs(
    folder: Path, files: Path, others: Iterable[BlobStore]
) -> tuple[NodeBlobs, CopyingExchange]:
    """A node's blobs on the disk; others are stores in this process."""
    store = BlobStore(folder, CAPACITY)
    exchange = CopyingExchange(store, others)
    return NodeBlobs(store, exchange, files), exchange  # type: ignore[arg-type]
