"""Numbers and times of day against words written out by hand."""

import pytest

from aliad.corpus.sample.numerals import (
    english_clock,
    english_number,
    german_clock,
    german_number,
)


@pytest.mark.parametrize(
    ("number", "english", "german"),
    [
        (0, "zero", "null"),
        (7, "seven", "sieben"),
        (12, "twelve", "zwölf"),
        (16, "sixteen", "sechzehn"),
        (17, "seventeen", "siebzehn"),
        (20, "twenty", "zwanzig"),
        (21, "twenty-one", "einundzwanzig"),
        (30, "thirty", "dreißig"),
        (66, "sixty-six", "sechsundsechzig"),
        (77, "seventy-seven", "siebenundsiebzig"),
        (100, "one hundred", "einhundert"),
        (231, "two hundred and thirty-one", "zweihunderteinunddreißig"),
        (612, "six hundred and twelve", "sechshundertzwölf"),
        (999, "nine hundred and ninety-nine", "neunhundertneunundneunzig"),
    ],
)
def test_numbers(number: int, english: str, german: str) -> None:
    assert (english_number(number), german_number(number)) == (english, german)


def test_every_number_has_its_own_words() -> None:
    assert len({english_number(n) for n in range(1000)}) == 1000
    assert len({german_number(n) for n in range(1000)}) == 1000
    for speak in (english_number, german_number):
        for number in (-1, 1000):
            with pytest.raises(ValueError, match="not between 0 and 999"):
                speak(number)


@pytest.mark.parametrize(
    ("hour", "minute", "english", "german"),
    [
        (1, 0, "one o'clock", "ein Uhr"),
        (8, 0, "eight o'clock", "acht Uhr"),
        (7, 5, "five past seven", "fünf nach sieben"),
        (3, 15, "a quarter past three", "Viertel nach drei"),
        (7, 20, "twenty past seven", "zwanzig nach sieben"),
        (7, 25, "twenty-five past seven", "fünf vor halb acht"),
        (7, 30, "half past seven", "halb acht"),
        (12, 30, "half past twelve", "halb eins"),
        (7, 35, "twenty-five to eight", "fünf nach halb acht"),
        (12, 45, "a quarter to one", "Viertel vor eins"),
        (11, 50, "ten to twelve", "zehn vor zwölf"),
    ],
)
def test_clock(hour: int, minute: int, english: str, german: str) -> None:
    assert (english_clock(hour, minute), german_clock(hour, minute)) == (english, german)
