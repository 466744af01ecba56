"""Numbers in words, and times of day, in both languages."""

from typing import Final

_ENGLISH: Final = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
_ENGLISH_TENS: Final = [
    "-",
    "-",
    "twenty",
    "thirty",
    "forty",
    "fifty",
    "sixty",
    "seventy",
    "eighty",
    "ninety",
]
_GERMAN: Final = [
    "null",
    "eins",
    "zwei",
    "drei",
    "vier",
    "fünf",
    "sechs",
    "sieben",
    "acht",
    "neun",
    "zehn",
    "elf",
    "zwölf",
    "dreizehn",
    "vierzehn",
    "fünfzehn",
    "sechzehn",
    "siebzehn",
    "achtzehn",
    "neunzehn",
]
_GERMAN_TENS: Final = [
    "-",
    "-",
    "zwanzig",
    "dreißig",
    "vierzig",
    "fünfzig",
    "sechzig",
    "siebzig",
    "achtzig",
    "neunzig",
]


def english_number(number: int) -> str:
    """Speak 0 to 999 ("two hundred and thirty-one"). Raises ValueError beyond."""
    _check(number)
    hundreds, rest = divmod(number, 100)
    if hundreds:
        tail = f" and {english_number(rest)}" if rest else ""
        return f"{_ENGLISH[hundreds]} hundred{tail}"
    if number < 20:
        return _ENGLISH[number]
    tens, ones = divmod(number, 10)
    return _ENGLISH_TENS[tens] + (f"-{_ENGLISH[ones]}" if ones else "")


def german_number(number: int) -> str:
    """Speak 0 to 999 ("zweihunderteinunddreißig"). Raises ValueError beyond."""
    _check(number)
    hundreds, rest = divmod(number, 100)
    if hundreds:
        head = "ein" if hundreds == 1 else _GERMAN[hundreds]
        return f"{head}hundert{german_number(rest) if rest else ''}"
    if number < 20:
        return _GERMAN[number]
    tens, ones = divmod(number, 10)
    if not ones:
        return _GERMAN_TENS[tens]
    return f"{'ein' if ones == 1 else _GERMAN[ones]}und{_GERMAN_TENS[tens]}"


def _check(number: int) -> None:
    if not 0 <= number <= 999:
        raise ValueError(f"{number} is not between 0 and 999")


def english_clock(hour: int, minute: int) -> str:
    """Speak a time of day: hour 1 to 12, minute in steps of five ("half past seven")."""
    if minute == 0:
        return f"{english_number(hour)} o'clock"
    coming = english_number(hour % 12 + 1)
    match minute:
        case 15:
            return f"a quarter past {english_number(hour)}"
        case 30:
            return f"half past {english_number(hour)}"
        case 45:
            return f"a quarter to {coming}"
        case _ if minute < 30:
            return f"{english_number(minute)} past {english_number(hour)}"
        case _:
            return f"{english_number(60 - minute)} to {coming}"


def german_clock(hour: int, minute: int) -> str:
    """Speak a time of day: "halb acht" is half past seven, "fünf vor halb acht" is 7:25."""
    this, coming = german_number(hour), german_number(hour % 12 + 1)
    if minute == 0:
        return "ein Uhr" if hour == 1 else f"{this} Uhr"
    return {
        5: f"fünf nach {this}",
        10: f"zehn nach {this}",
        15: f"Viertel nach {this}",
        20: f"zwanzig nach {this}",
        25: f"fünf vor halb {coming}",
        30: f"halb {coming}",
        35: f"fünf nach halb {coming}",
        40: f"zwanzig vor {coming}",
        45: f"Viertel vor {coming}",
        50: f"zehn vor {coming}",
        55: f"fünf vor {coming}",
    }[minute]
