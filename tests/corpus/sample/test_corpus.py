"""The sample corpus: distinct, split without overlap, the same for the same seed, whole on disk."""

import hashlib
import re
from pathlib import Path

import pytest

from aliad.corpus.cleaning import clean
from aliad.corpus.pair import Pair
from aliad.corpus.reading import read_pairs
from aliad.corpus.sample.__main__ import main
from aliad.corpus.sample.corpus import SampleCorpus, make_sample, part_of, write_sample
from aliad.corpus.sample.draw import Draw
from aliad.corpus.sample.sentences import KINDS
from aliad.corpus.shuffle import derive_seed
from aliad.corpus.tokenizer import Tokenizer, train_tokenizer
from aliad.errors import InputError


@pytest.fixture(scope="module")
def sample() -> SampleCorpus:
    return make_sample()


def test_sizes_and_no_overlap(sample: SampleCorpus) -> None:
    assert (len(sample.train), len(sample.valid), len(sample.test)) == (8000, 500, 500)
    everything = [*sample.train, *sample.valid, *sample.test]
    assert len({english for english, _ in everything}) == 9000
    assert len({german for _, german in everything}) == 9000


def test_same_seed_same_corpus(sample: SampleCorpus) -> None:
    lines = "".join(f"{english}\t{german}\n" for english, german in sample.train)
    assert hashlib.sha256(lines.encode()).hexdigest() == (
        "1c1341c06005ab18540716ffb9b79ef98c38ad0cd5a1bb43e7899610096480ec"
    )
    assert make_sample(20, 2, 2, seed=1).train[0] != sample.train[0]


def test_a_larger_corpus_contains_the_smaller(sample: SampleCorpus) -> None:
    small = make_sample(300, 20, 10)
    assert sample.train[:300] == small.train
    assert sample.valid[:20] == small.valid
    assert sample.test[:10] == small.test
    assert {part_of(pair) for pair in sample.test} == {"test"}


def test_sentences_look_like_sentences(sample: SampleCorpus) -> None:
    for pair in sample.train:
        for side in pair:
            assert re.fullmatch(r"[A-ZÄÖÜ][A-Za-zÄÖÜäöüß,' -]*[.?]", side), side
            assert "  " not in side
            assert " ," not in side
        assert pair[0][-1] == pair[1][-1]
    kept, report = clean(
        Pair(english, german, line) for line, (english, german) in enumerate(sample.train, 1)
    )
    assert (len(kept), report.repaired) == (8000, ())


def test_every_kind_of_sentence_occurs_with_its_marks() -> None:
    draw = Draw(derive_seed("kinds", 1))
    assert sum(share for share, _ in KINDS) == 100
    spoken = {kind.__name__: [kind(draw)[1] for _ in range(40)] for _, kind in KINDS}
    assert all(" gibt es " in german for german in spoken["existence"])
    assert all(" als " in german for german in spoken["comparison"])
    assert all(
        ", um " in german and re.search(r"zu\w* ?\w+\.$", german) for german in spoken["purpose"]
    )
    assert all(german.startswith("Bitte ") and " Sie" in german for german in spoken["request"])
    assert all(" Jahre alt." in german for german in spoken["age"])
    assert all(german.endswith("?") for german in spoken["yes_no_question"])
    assert all(re.search(", (dass|ob) ", german) for german in spoken["reported"])
    assert all(re.match("(Wenn|Weil|Obwohl) .*, ", german) for german in spoken["condition"])


def test_a_tokenizer_can_be_trained_on_it(sample: SampleCorpus) -> None:
    sides = [side for pair in sample.train[:2000] for side in pair]
    tokenizer = Tokenizer(train_tokenizer(sides, 1000))
    assert tokenizer.decode(tokenizer.encode(sample.test[0][1])) == sample.test[0][1]


def test_command_writes_six_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "new" / "sample"
    assert main([str(folder), "--train", "30", "--valid", "3", "--test", "4"]) == 0
    names = ["train.en", "train.de", "valid.en", "valid.de", "test.en", "test.de"]
    assert capsys.readouterr().out.split() == [str(folder / name) for name in names]
    assert sorted(path.name for path in folder.iterdir()) == sorted(names)
    sample = make_sample(30, 3, 4)
    pairs = read_pairs(folder / "train.en", folder / "train.de")
    assert tuple((pair.source, pair.target) for pair in pairs) == sample.train
    assert (folder / "test.de").read_text(encoding="utf-8").count("\n") == 4


def test_failures_have_three_lines_and_leave_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path / "x"), "--train", "-1"]) == 1
    assert capsys.readouterr().err.count("\n") == 3
    assert not (tmp_path / "x").exists()
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    assert main([str(blocked), "--train", "1", "--valid", "0", "--test", "0"]) == 1
    assert "cannot be written" in capsys.readouterr().err
    assert blocked.read_text() == "in the way"
    with pytest.raises(InputError, match="cannot be made"):
        make_sample(train=10**6)


def test_an_interrupted_write_keeps_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_sample(make_sample(3, 0, 0), tmp_path)
    before = (tmp_path / "train.en").read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(InputError, match="No space left on device"):
        write_sample(make_sample(5, 0, 0), tmp_path)
    assert (tmp_path / "train.en").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 6
