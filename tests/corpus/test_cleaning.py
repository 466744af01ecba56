"""Cleaning: what is repaired, what is dropped, and that the account adds up."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aliad.corpus.cleaning import CleaningLimits, CleaningReport, clean
from aliad.corpus.normal import normalise
from aliad.corpus.pair import Pair
from aliad.errors import InputError


def counts(report: CleaningReport) -> dict[str, int]:
    return {str(group.reason): group.count for group in report.dropped}


def repairs(report: CleaningReport) -> dict[str, int]:
    return {str(entry.repair): entry.count for entry in report.repaired}


def test_a_clean_corpus_passes_untouched() -> None:
    pairs = [Pair("A dog runs.", "Ein Hund läuft.", 1), Pair("A cat.", "Eine Katze.", 2)]
    assert clean(pairs, CleaningLimits()) == (pairs, CleaningReport(2, 2, (), ()))


def test_every_reason_is_counted_with_its_lines() -> None:
    pairs = [
        Pair("A dog runs.", "Ein Hund läuft.", 1),
        Pair("", "Eine Katze.", 2),
        Pair(" \x00\u200b", "Eine Katze.", 3),
        Pair("A dog  runs. ", "Ein Hund läuft.", 4),
        Pair("No", "N" * 29, 5),
        Pair("No", "N" * 28, 6),
        Pair("x" * 51, "y" * 40, 7),
        Pair("A dog runs.", "Der Hund läuft.", 8),
    ]
    kept, report = clean(pairs, CleaningLimits(characters=50))
    assert [pair.line for pair in kept] == [1, 6, 8]
    assert (report.read, report.kept) == (8, 3)
    assert counts(report) == {
        "empty side": 2,
        "too long": 1,
        "absurd length ratio": 1,
        "duplicate": 1,
    }
    assert [example.line for example in report.dropped[0].examples] == [2, 3]


@pytest.mark.parametrize(
    ("raw", "clear", "repair"),
    [
        ("a\x07 dog", "a dog", "control characters removed"),
        ("u\u0308ber", "über", "Unicode composed (NFC)"),
        ("a\u00a0 dog\t", "a dog", "white space or invisible characters removed"),
        ("so\u00adft", "soft", "white space or invisible characters removed"),
    ],
)
def test_repairs_are_made_and_counted(raw: str, clear: str, repair: str) -> None:
    kept, report = clean([Pair(raw, "Hund", 1), Pair("dog", raw, 2), Pair("dog", "Hund", 3)])
    assert [(pair.source, pair.target) for pair in kept] == [
        (clear, "Hund"),
        ("dog", clear),
        ("dog", "Hund"),
    ]
    assert repairs(report) == {repair: 2}


def test_the_report_prints_and_is_json() -> None:
    pairs = [Pair("one", "eins", 1), *(Pair("", f"leer {n}\u202e", n) for n in range(2, 7))]
    _, report = clean(pairs)
    assert str(report) == (
        "6 pairs read, 1 kept\n"
        "  dropped 5: empty side\n"
        "    line 2: '' | 'leer 2\ufffd'\n"
        "    line 3: '' | 'leer 3\ufffd'\n"
        "    line 4: '' | 'leer 4\ufffd'"
    )
    assert json.loads(report.to_json()) == {
        "read": 6,
        "kept": 1,
        "repaired": [],
        "dropped": [
            {
                "reason": "empty side",
                "count": 5,
                "examples": [
                    {"line": n, "source": "", "target": f"leer {n}\ufffd"} for n in (2, 3, 4)
                ],
            }
        ],
    }


def test_nothing_left_is_an_error() -> None:
    with pytest.raises(InputError) as caught:
        clean([Pair("", "x", 1), Pair("y", " ", 2)])
    assert str(caught.value).splitlines() == [
        "Nothing is left of the corpus: all 2 pairs were dropped.",
        "empty side: 2.",
        "Check that the two sides belong together, or loosen the limits.",
    ]


@pytest.mark.parametrize(("characters", "ratio", "slack"), [(0, 4, 1), (9, 0.5, 1), (9, 4, -1)])
def test_impossible_limits(characters: int, ratio: float, slack: int) -> None:
    with pytest.raises(InputError, match="would drop every line"):
        CleaningLimits(characters, ratio, slack)
    with pytest.raises(InputError):
        CleaningLimits(ratio=float("nan"))


@given(st.lists(st.tuples(st.text("ab \x00\u0308u", max_size=9), st.text("ab \n", max_size=60))))
def test_the_account_adds_up_and_a_second_pass_changes_nothing(
    sides: list[tuple[str, str]],
) -> None:
    pairs = [Pair("kept", "behalten", 0)]
    pairs += [Pair(source, target, n) for n, (source, target) in enumerate(sides, start=1)]
    kept, report = clean(pairs)
    assert report.read == len(pairs) == report.kept + sum(counts(report).values())
    assert len({(pair.source, pair.target) for pair in kept}) == len(kept) == report.kept
    again, second = clean(kept)
    assert again == kept
    assert second == CleaningReport(len(kept), len(kept), (), ())
    assert all(normalise(pair.source) == pair.source for pair in kept)
