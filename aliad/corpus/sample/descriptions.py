"""Sentences about how things are: qualities, possessions, prices, ages, times, positions."""

from dataclasses import replace
from typing import Final

from aliad.corpus.sample import english, german, lexicon
from aliad.corpus.sample.draw import Draw
from aliad.corpus.sample.numerals import english_clock, english_number, german_clock, german_number
from aliad.corpus.sample.phrases import Article, NounPhrase, german_with
from aliad.corpus.sample.sentence import Sentence, write
from aliad.corpus.sample.words import Case, Kind, Noun

_TELLABLE: Final = (
    Kind.PERSON,
    Kind.ANIMAL,
    Kind.THING,
    Kind.OPENING,
    Kind.TEXT,
    Kind.CLOTHES,
    Kind.DEVICE,
    Kind.VEHICLE,
    Kind.PLACE,
)
_GOODS: Final = frozenset({Kind.THING, Kind.TEXT, Kind.CLOTHES, Kind.DEVICE, Kind.VEHICLE})


def description(draw: Draw) -> Sentence:
    """What something is or was like."""
    kind = draw.pick(_TELLABLE)
    phrase = draw.phrase(draw.noun(frozenset({kind})), known=True)
    quality = draw.adjective(kind)
    past = draw.chance(35)
    degree = draw.pick((("", ""), ("very ", "sehr "), ("too ", "zu "), ("not ", "nicht ")))
    phrase = replace(phrase, adjective=None)
    return write(
        f"{phrase.english()} {english.form(english.WAS if past else english.BE, phrase.person)} "
        f"{degree[0]}{quality.english}",
        f"{phrase.german(Case.NOMINATIVE)} "
        f"{german.form(german.WAR if past else german.SEIN, phrase.person)} "
        f"{degree[1]}{quality.german}",
        ".",
    )


def comparison(draw: Draw) -> Sentence:
    """That one thing has more of a quality than another."""
    kind = draw.pick(_TELLABLE)
    quality = draw.pick([word for word in draw.adjectives(kind) if word.english_more])
    one, other = (
        replace(draw.phrase(draw.noun(frozenset({kind})), known=True), adjective=None)
        for _ in range(2)
    )
    if one.noun == other.noun:
        return comparison(draw)
    return write(
        f"{one.english()} {english.form(english.BE, one.person)} {quality.english_more} "
        f"than {other.english()}",
        f"{one.german(Case.NOMINATIVE)} {german.form(german.SEIN, one.person)} "
        f"{quality.german_more} als {other.german(Case.NOMINATIVE)}",
        ".",
    )


def possession(draw: Draw) -> Sentence:
    """What somebody has, had, or does not have."""
    subject = draw.someone(known=True)
    thing = draw.phrase(draw.noun(_GOODS | {Kind.ANIMAL}))
    if thing.definite:
        thing = replace(thing, article=Article.A, owner=("", ""))
    person = subject.person
    if thing.count == 0 and draw.chance(25):
        denied = replace(thing, article=Article.NO)
        return write(
            f"{subject.english()} {english.form(english.DO, person)} not have {thing.english()}",
            f"{subject.german(Case.NOMINATIVE)} {german.form(german.HABEN, person)} "
            f"{denied.german(Case.ACCUSATIVE)}",
            ".",
        )
    past = draw.chance(30)
    return write(
        f"{subject.english()} {'had' if past else english.form(english.HAVE, person)} "
        f"{thing.english()}",
        f"{subject.german(Case.NOMINATIVE)} "
        f"{german.form(german.HATTE if past else german.HABEN, person)} "
        f"{thing.german(Case.ACCUSATIVE)}",
        ".",
    )


def existence(draw: Draw) -> Sentence:
    """That there is something somewhere: es gibt and accusative."""
    place = draw.where()
    kind = draw.pick((Kind.PERSON, Kind.ANIMAL, Kind.THING, Kind.VEHICLE))
    thing = draw.phrase(draw.noun(frozenset({kind})))
    if thing.definite:
        thing = replace(thing, article=Article.A, owner=("", ""))
    verb = "are" if thing.plural else "is"
    return write(
        f"there {verb} {thing.english()} {place.english}",
        f"{place.german} gibt es {thing.german(Case.ACCUSATIVE)}",
        ".",
    )


def price(draw: Draw) -> Sentence:
    """What something costs."""
    thing = replace(draw.phrase(draw.noun(_GOODS), known=True), plural=False)
    amount = 2 + draw.below(997 if draw.chance(30) else 98)
    if amount % 100 == 1:
        amount += 1  # "hundertein" and "hunderteins" are both said
    return write(
        f"{thing.english()} costs {english_number(amount)} euros",
        f"{thing.german(Case.NOMINATIVE)} kostet {german_number(amount)} Euro",
        ".",
    )


def age(draw: Draw) -> Sentence:
    """How old somebody is."""
    subject = draw.someone()
    years = 2 + draw.below(97)
    return write(
        f"{subject.english()} {english.form(english.BE, subject.person)} "
        f"{english_number(years)} years old",
        f"{subject.german(Case.NOMINATIVE)} {german.form(german.SEIN, subject.person)} "
        f"{german_number(years)} Jahre alt",
        ".",
    )


def time_of_day(draw: Draw) -> Sentence:
    """What time it is, or when something that arrives does so."""
    hour, minute = 1 + draw.below(12), 5 * draw.below(12)
    clock = english_clock(hour, minute), german_clock(hour, minute)
    if draw.chance(30):
        return write(f"it is {clock[0]}", f"es ist {clock[1]}", ".")
    vehicle = _the(draw.pick(lexicon.NOUNS[Kind.VEHICLE][2:]))
    city = draw.pick(lexicon.CITIES)
    return write(
        f"{vehicle.english()} to {city[0]} arrives at {clock[0]}",
        f"{vehicle.german(Case.NOMINATIVE)} nach {city[1]} kommt um {clock[1]} an",
        ".",
    )


def position(draw: Draw) -> Sentence:
    """Where something is."""
    kind = draw.pick((Kind.THING, Kind.CLOTHES, Kind.TEXT))
    thing = draw.phrase(draw.noun(frozenset({kind})), known=True)
    english_at, german_at = draw.pick(
        (("on", "auf"), ("under", "unter"), ("next to", "neben"), ("behind", "hinter"))
    )
    table = draw.phrase(draw.pick(lexicon.NOUNS[Kind.THING][:2]), known=True)
    if thing.noun == table.noun:
        return position(draw)
    past = draw.chance(30)
    return write(
        f"{thing.english()} {english.form(english.WAS if past else english.BE, thing.person)} "
        f"{english_at} {table.english()}",
        f"{thing.german(Case.NOMINATIVE)} "
        f"{german.form(german.WAR if past else german.SEIN, thing.person)} "
        f"{german_with(german_at, table, Case.DATIVE)}",
        ".",
    )


def _the(noun: Noun) -> NounPhrase:
    return NounPhrase(noun, Article.THE)
