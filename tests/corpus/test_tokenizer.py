"""The tokenizer: deterministic, quiet, lossless, and clear about what it cannot do."""

import hashlib
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aliad.corpus.normal import has_control, normalise
from aliad.corpus.tokenizer import BOS, EOS, PAD, UNK, Tokenizer, train_tokenizer
from aliad.errors import InputError

NOUNS = ["dog", "cat", "table", "window", "garden", "Hund", "Katze", "Tisch", "Fenster", "Garten"]
VERBS = ["barks", "sleeps", "stands", "opens", "grows", "bellt", "schläft", "steht", "wächst"]
SENTENCES = [
    f"{article} {noun} {verb}"
    for article in ("the small", "a large", "die kleine", "ein großer")
    for noun in NOUNS
    for verb in VERBS
]
MODEL = train_tokenizer(SENTENCES, 300)
TOKENIZER = Tokenizer(MODEL)


def test_fixed_ids() -> None:
    assert (PAD, UNK, BOS, EOS) == (0, 1, 2, 3)
    assert TOKENIZER.size == 300


def test_same_input_same_bytes_and_silence(capfd: pytest.CaptureFixture[str]) -> None:
    assert train_tokenizer(iter(SENTENCES), 300) == MODEL
    assert train_tokenizer(reversed(SENTENCES[:-1]), 300) != MODEL
    Tokenizer(MODEL).encode("the dog")
    assert capfd.readouterr() == ("", "")


def test_digest_is_the_sha256_of_the_file() -> None:
    assert TOKENIZER.digest == hashlib.sha256(MODEL).digest()
    assert Tokenizer(MODEL, TOKENIZER.digest).size == 300
    with pytest.raises(InputError, match="not the one it should be"):
        Tokenizer(MODEL, bytes(32))


def test_words_seen_often_are_few_tokens_and_others_are_bytes() -> None:
    assert len(TOKENIZER.encode("die kleine Katze")) < len("die kleine Katze")
    japanese = TOKENIZER.encode("日")  # E6 97 A5; byte b has the id 4 + b
    assert japanese[-3:] == [4 + 0xE6, 4 + 0x97, 4 + 0xA5]
    assert UNK not in japanese


@pytest.mark.parametrize(
    ("text", "same_as"),
    [
        ("  a\t b\r\n", "a b"),
        ("a\u00a0b\u2028c", "a b c"),
        ("a\x00\x07b", "ab"),
        ("u\u0308ber", "über"),
        ("soft\u00adhyphen\u200b\ufeff", "softhyphen"),
        ("20 m²", "20 m²"),
        ("▁a", "a"),
        ("\ud800x", "\ufffdx"),
        ("a \x00 b", "a b"),
    ],
)
def test_normal_form(text: str, same_as: str) -> None:
    assert normalise(text) == same_as
    assert TOKENIZER.encode(text) == TOKENIZER.encode(same_as)


@given(st.text())
def test_normal_form_is_stable_and_clean(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once
    assert unicodedata.is_normalized("NFC", once)
    assert not has_control(once)


@given(st.text())
def test_every_text_survives_the_way_back(text: str) -> None:
    ids = TOKENIZER.encode(text)
    assert TOKENIZER.decode(ids) == normalise(text)
    assert TOKENIZER.decode([BOS, *ids, EOS, PAD]) == normalise(text)
    assert all(EOS < token < TOKENIZER.size for token in ids)


@given(st.lists(st.text(), max_size=4))
def test_a_batch_is_its_lines(lines: list[str]) -> None:
    assert TOKENIZER.encode_batch(lines) == [TOKENIZER.encode(line) for line in lines]


def test_markup_in_a_text_is_text() -> None:
    ids = TOKENIZER.encode("<s> </s> <pad> <unk> <0x41>")
    assert not {PAD, UNK, BOS, EOS} & set(ids)
    assert TOKENIZER.decode(ids) == "<s> </s> <pad> <unk> <0x41>"


@pytest.mark.parametrize("token", [-1, 300, 1 << 40])
def test_an_id_outside_the_vocabulary_is_refused(token: int) -> None:
    with pytest.raises(ValueError, match="outside the vocabulary"):
        TOKENIZER.decode([5, token])


@pytest.mark.parametrize(
    ("sentences", "vocabulary", "why"),
    [
        ([], 300, "no text"),
        (["", " \t "], 300, "no text"),
        (["a b", "b a"], 4000, "The corpus is too small"),
        (SENTENCES, 200, "4 special ids, 256 bytes and the letters"),
        (SENTENCES, -5, ""),
    ],
)
def test_a_corpus_that_does_not_fit_the_vocabulary(
    sentences: list[str], vocabulary: int, why: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(InputError) as caught:
        train_tokenizer(sentences, vocabulary)
    assert why in str(caught.value)
    assert len(str(caught.value).splitlines()) == 3
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("model", [b"", b"abc", bytes(64), MODEL[:200], MODEL[:-1]])
def test_a_damaged_file_is_refused(model: bytes) -> None:
    with pytest.raises(InputError, match="cannot be used"):
        Tokenizer(model)
