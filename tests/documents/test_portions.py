"""Texts to sources and back: nothing is lost, and nothing depends on a text's company."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aliad.documents.portions import Ids, Portions, compute_texts_digest
from aliad.errors import InputError

EOS = 3
LENGTH = 12
TEXT = st.text(st.sampled_from("ab c,.;:!?中。ä\u3000\n"), max_size=60)


def encode(text: str) -> Ids:
    """A token a character, as a real tokenizer sees spaces: none for a text of nothing else."""
    kept = " ".join(text.split())
    return (*(ord(char) for char in kept), EOS) if kept else ()


def decode(ids: Ids) -> str:
    return "".join(map(chr, ids[:-1]))


def translate(texts: list[str], length: int = LENGTH) -> list[tuple[str, float]]:
    """Capitals, with the score a rule of the ids, as a model would have it."""
    portions = Portions(texts, encode, length)
    answers = [decode(ids).upper() for ids in portions.sources]
    scores = [-(sum(ids) % 97) / 10 for ids in portions.sources]
    spoken = portions.joined(answers, scores)
    assert [one.source for one in spoken] == texts
    return [(one.target, one.score) for one in spoken]


@given(texts=st.lists(TEXT, max_size=12))
def test_an_identity_gives_the_texts_back(texts: list[str]) -> None:
    portions = Portions(texts, lambda text: (*map(ord, text), EOS) if text else (), LENGTH)
    answers = [decode(ids) for ids in portions.sources]
    spoken = portions.joined(answers, [-1.0] * len(answers))
    assert [one.target for one in spoken] == texts
    assert [one.score for one in spoken] == [-1.0 if text else 0.0 for text in texts]


@given(texts=st.lists(TEXT, max_size=12))
def test_sources_are_what_a_model_reads(texts: list[str]) -> None:
    sources = Portions(texts, encode, LENGTH).sources
    assert len(set(sources)) == len(sources)
    assert all(0 < len(ids) <= LENGTH and ids[-1] == EOS for ids in sources)
    assert EOS not in {token for ids in sources for token in ids[:-1]}


@given(texts=st.lists(TEXT, max_size=12), seed=st.integers(0, 99))
def test_a_translation_does_not_depend_on_company(texts: list[str], seed: int) -> None:
    alone = [translate([text])[0] for text in texts]
    assert translate(texts) == alone
    shuffled = [*texts, *texts]
    random.Random(seed).shuffle(shuffled)
    assert translate(shuffled) == [alone[texts.index(text)] for text in shuffled]


def test_the_score_is_that_of_the_worst_part() -> None:
    portions = Portions(["one, two, three", "one,"], encode, 7)
    scores = [-float(place) for place in range(len(portions.sources))]
    long, short = portions.joined([decode(ids) for ids in portions.sources], scores)
    assert long.score == min(scores)
    assert short.score == 0.0
    assert len(portions.sources) == 3  # the short text is a part of the long one


def test_what_cannot_be_cut_is_refused() -> None:
    with pytest.raises(InputError, match="character") as caught:
        Portions(["fine", "ä"], lambda text: (*text.encode(), EOS), 2)
    assert len(str(caught.value).splitlines()) == 3


def test_answers_must_fit() -> None:
    portions = Portions(["a", "b"], encode, LENGTH)
    with pytest.raises(ValueError, match="1 answers for 2"):
        portions.joined(["A"], [0.0])


@given(texts=st.lists(TEXT, max_size=6), other=st.lists(TEXT, max_size=6))
def test_a_digest_tells_texts_apart(texts: list[str], other: list[str]) -> None:
    assert (compute_texts_digest(texts) == compute_texts_digest(other)) == (texts == other)
