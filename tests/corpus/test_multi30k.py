"""The whole way on a real corpus: read, clean, tokenize, batch, describe."""

from pathlib import Path

from aliad.corpus.batch import Shape
from aliad.corpus.batch_codec import encode_batch
from aliad.corpus.batches import encode_pairs, make_line_batches, make_token_batches
from aliad.corpus.cleaning import Reason, clean
from aliad.corpus.manifest import make_manifest
from aliad.corpus.reading import Pair, read_pairs
from aliad.corpus.tokenizer import Tokenizer, train_tokenizer
from aliad.types import MegaMac


def work_of(shapes: tuple[Shape, ...]) -> MegaMac:
    return MegaMac(sum(shape.lines * shape.target_width for shape in shapes))


def test_training_set_is_read_and_cleaned(multi30k: Path) -> None:
    pairs = list(read_pairs(multi30k / "train.en.gz", multi30k / "train.de.gz"))
    assert len(pairs) == 29_000
    assert pairs[0] == Pair(
        "Two young, White males are outside near many bushes.",
        "Zwei junge weiße Männer sind im Freien in der Nähe vieler Büsche.",
        1,
    )
    kept, report = clean(pairs)
    assert (report.read, report.kept, len(kept)) == (29_000, 28_995, 28_995)
    assert [(group.reason, group.count) for group in report.dropped] == [
        (Reason.RATIO, 2),
        (Reason.DUPLICATE, 3),
    ]
    assert report.dropped[0].examples[0].target == "@@"


def test_validation_set_becomes_a_dataset(multi30k: Path) -> None:
    pairs, _ = clean(read_pairs(multi30k / "val.en.gz", multi30k / "val.de.gz"))
    tokenizer = Tokenizer(
        train_tokenizer((side for pair in pairs for side in (pair.source, pair.target)), 1000)
    )
    assert all(tokenizer.decode(tokenizer.encode(pair.target)) == pair.target for pair in pairs)
    ids = list(encode_pairs(pairs, tokenizer))
    batches = make_line_batches(ids, lines=20, micro=16)
    assert sorted(len(batch.micro) for batch in batches) == [12, 13, 13, 13]
    manifest = make_manifest(batches, tokenizer, work_of)
    assert manifest.lines == len(pairs) == 1014
    assert manifest.target_tokens == sum(len(pair.target) + 1 for pair in ids)
    assert manifest.open_batch(3, encode_batch(batches[3]), work_of) == batches[3]
    padded = sum(b.shapes[0].lines * b.shapes[0].target_width for b in make_token_batches(ids))
    assert manifest.target_tokens / padded > 0.85
