"""The kinds of sentences: each function draws a meaning and speaks it in both languages.

A sentence is a pair (English, German) with capital letter and full stop.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from aliad.corpus.sample import english, german, lexicon
from aliad.corpus.sample.clause import Clause, Front, Tense
from aliad.corpus.sample.draw import Draw
from aliad.corpus.sample.numerals import english_clock, english_number, german_clock, german_number
from aliad.corpus.sample.phrases import (
    Article,
    NounPhrase,
    Personal,
    Phrase,
    german_with,
)
from aliad.corpus.sample.words import Case, Gender, Kind, Noun

Sentence = tuple[str, str]

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
_RELATIVE: Final = {Gender.MASCULINE: "der", Gender.FEMININE: "die", Gender.NEUTER: "das"}


def statement(draw: Draw) -> Sentence:
    """What somebody does; the time may come first."""
    clause = draw.finished(draw.clause())
    front = bool(clause.time) and not _is_middle(clause) and draw.chance(35)
    return _write(
        english.statement(clause, time_first=front),
        german.main_clause(clause, Front.TIME if front else Front.SUBJECT),
        ".",
    )


def yes_no_question(draw: Draw) -> Sentence:
    """Whether somebody does something."""
    clause = replace(draw.finished(draw.clause(), deny=0, middle=False), gladly=False)
    return _write(english.question(clause), german.main_clause(clause, Front.NOTHING), "?")


def who_question(draw: Draw) -> Sentence:
    """Who does something."""
    clause = draw.finished(draw.clause(Personal(lexicon.WHO)), deny=0)
    return _write(english.statement(clause), german.main_clause(clause), "?")


def other_question(draw: Draw) -> Sentence:
    """What, whom, where or when."""
    clause = replace(draw.finished(draw.clause(), deny=0, middle=False), gladly=False)
    asked = ("when", "wann")
    if clause.place and not clause.place.english.startswith("to "):
        asked, clause = ("where", "wo"), replace(clause, place=None)
    elif clause.accusative and clause.dative is None:
        asked = ("who", "wen") if _is_person(clause.accusative) else ("what", "was")
        clause = replace(clause, accusative=None)
    elif clause.dative and clause.accusative is None:
        asked, clause = ("who", "wem"), replace(clause, dative=None)
    else:
        clause = replace(clause, time=None)
    return _write(
        f"{asked[0]} {english.question(clause)}",
        f"{asked[1]} {german.main_clause(clause, Front.NOTHING)}",
        "?",
    )


def description(draw: Draw) -> Sentence:
    """What something is or was like."""
    kind = draw.pick(_TELLABLE)
    phrase = draw.phrase(draw.noun(frozenset({kind})), known=True)
    quality = draw.adjective(kind)
    past = draw.chance(35)
    degree = draw.pick((("", ""), ("very ", "sehr "), ("too ", "zu "), ("not ", "nicht ")))
    phrase = replace(phrase, adjective=None)
    return _write(
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
    return _write(
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
        return _write(
            f"{subject.english()} {english.form(english.DO, person)} not have {thing.english()}",
            f"{subject.german(Case.NOMINATIVE)} {german.form(german.HABEN, person)} "
            f"{denied.german(Case.ACCUSATIVE)}",
            ".",
        )
    past = draw.chance(30)
    return _write(
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
    return _write(
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
    return _write(
        f"{thing.english()} costs {english_number(amount)} euros",
        f"{thing.german(Case.NOMINATIVE)} kostet {german_number(amount)} Euro",
        ".",
    )


def age(draw: Draw) -> Sentence:
    """How old somebody is."""
    subject = draw.someone()
    years = 2 + draw.below(97)
    return _write(
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
        return _write(f"it is {clock[0]}", f"es ist {clock[1]}", ".")
    vehicle = _the(draw.pick(lexicon.NOUNS[Kind.VEHICLE][2:]))
    city = draw.pick(lexicon.CITIES)
    return _write(
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
    return _write(
        f"{thing.english()} {english.form(english.WAS if past else english.BE, thing.person)} "
        f"{english_at} {table.english()}",
        f"{thing.german(Case.NOMINATIVE)} "
        f"{german.form(german.WAR if past else german.SEIN, thing.person)} "
        f"{german_with(german_at, table, Case.DATIVE)}",
        ".",
    )


def reported(draw: Draw) -> Sentence:
    """What somebody says, knows, hopes or believes: dass, verb last."""
    verb = draw.pick(lexicon.OF_SPEECH)
    speaker = Clause(draw.someone(), verb)
    clause = draw.finished(draw.clause())
    if verb.english.base == "know" and draw.chance(50):
        speaker = replace(speaker, denied=True)
        return _write(
            f"{english.statement(speaker)} whether {english.statement(clause)}",
            f"{german.main_clause(speaker)}, {german.last_clause(clause, 'ob')}",
            ".",
        )
    return _write(
        f"{english.statement(speaker)} that {english.statement(clause)}",
        f"{german.main_clause(speaker)}, {german.last_clause(clause, 'dass')}",
        ".",
    )


def reason(draw: Draw) -> Sentence:
    """Because of what, or in spite of what: weil and obwohl, verb last."""
    tense = draw.pick((Tense.PAST, Tense.HABIT))
    first = draw.finished(draw.clause(tense=tense))
    second = draw.finished(draw.clause(tense=tense), deny=30)
    word = draw.pick((("because", "weil"), ("although", "obwohl")))
    return _write(
        f"{english.statement(first)} {word[0]} {english.statement(second)}",
        f"{german.main_clause(first)}, {german.last_clause(second, word[1])}",
        ".",
    )


def condition(draw: Draw) -> Sentence:
    """When it rains: the clause comes first, and then the finite verb."""
    weather = draw.pick(lexicon.WEATHER)
    clause = draw.finished(draw.clause(tense=Tense.HABIT), middle=True)
    word = draw.pick((("when", "wenn"), ("because", "weil"), ("although", "obwohl")))
    return _write(
        f"{word[0]} {weather[0]}, {english.statement(clause)}",
        f"{word[1]} {weather[1]} {weather[2]}, {german.main_clause(clause, Front.NOTHING)}",
        ".",
    )


def coordination(draw: Draw) -> Sentence:
    """Two main clauses: und, aber, denn leave the word order alone."""
    tense = draw.pick(tuple(Tense))
    first = draw.finished(draw.clause(tense=tense))
    second = draw.finished(draw.clause(tense=tense), deny=30)
    join = draw.pick(((" and ", " und "), (", but ", ", aber "), (", for ", ", denn ")))
    return _write(
        english.statement(first) + join[0] + english.statement(second),
        german.main_clause(first) + join[1] + german.main_clause(second),
        ".",
    )


def purpose(draw: Draw) -> Sentence:
    """What somebody goes somewhere for: um ... zu."""
    subject = draw.someone()
    tense = draw.pick((Tense.PAST, Tense.NOW, Tense.FUTURE))
    verb = draw.pick(lexicon.OF_MOTION[:2])
    first = Clause(subject, verb, tense, place=draw.whereto())
    aim = draw.clause(subject, Tense.NOW)
    while aim.verb in (*lexicon.OF_MOTION, *lexicon.OF_TIME):
        aim = draw.clause(subject, Tense.NOW)
    aim = replace(aim, tense=Tense.HABIT, place=None)
    return _write(
        f"{english.statement(first)} {english.infinitive_clause(aim)}",
        f"{german.main_clause(first)}, {german.infinitive_clause(aim)}",
        ".",
    )


def request(draw: Draw) -> Sentence:
    """What somebody is asked to do, politely."""
    clause = draw.clause(Personal(lexicon.PRONOUNS[1]), Tense.HABIT)
    while isinstance(clause.accusative, Personal) or isinstance(clause.dative, Personal):
        clause = draw.clause(Personal(lexicon.PRONOUNS[1]), Tense.HABIT)
    clause = replace(clause, time=draw.pick(lexicon.COMING_TIMES) if draw.chance(40) else None)
    asked = german.polite_request(clause)
    if " dein" in asked:  # the polite "your" is another word
        return request(draw)
    return _write(english.request(clause), asked, ".")


def relative(draw: Draw) -> Sentence:
    """Which person: a relative clause between commas, verb last."""
    noun = draw.pick(lexicon.NOUNS[Kind.PERSON])
    plural = draw.chance(30)
    subject = NounPhrase(noun, Article.THE, None, plural)
    inner = draw.finished(draw.clause(subject), deny=10, middle=False)
    inner = replace(inner, gladly=False)
    quality = draw.adjective(Kind.PERSON)
    pronoun = "die" if plural else _RELATIVE[noun.gender]
    return _write(
        f"{subject.english()} {english.relative_clause(inner)} "
        f"{english.form(english.BE, subject.person)} {quality.english}",
        f"{subject.german(Case.NOMINATIVE)}, {german.relative_clause(inner, pronoun)}, "
        f"{german.form(german.SEIN, subject.person)} {quality.german}",
        ".",
    )


# How often each kind is drawn, of 100
KINDS: Final[tuple[tuple[int, Callable[[Draw], Sentence]], ...]] = (
    (28, statement),
    (7, yes_no_question),
    (4, who_question),
    (6, other_question),
    (7, description),
    (4, comparison),
    (5, possession),
    (3, existence),
    (3, price),
    (2, age),
    (3, time_of_day),
    (4, position),
    (6, reported),
    (5, reason),
    (4, condition),
    (3, coordination),
    (2, purpose),
    (2, request),
    (2, relative),
)


def draw_sentence(draw: Draw) -> Sentence:
    """Draw a sentence of any kind."""
    choice = draw.below(sum(share for share, _ in KINDS))
    for share, kind in KINDS:
        if choice < share:
            return kind(draw)
        choice -= share
    raise AssertionError("the shares cover every choice")


def _is_middle(clause: Clause) -> bool:
    return clause.time is not None and clause.time.middle


def _is_person(phrase: Phrase) -> bool:
    return not isinstance(phrase, NounPhrase) or phrase.noun.kind is Kind.PERSON


def _the(noun: Noun) -> NounPhrase:
    return NounPhrase(noun, Article.THE)


def _write(in_english: str, in_german: str, end: str) -> Sentence:
    return german.sentence(in_english, end), german.sentence(in_german, end)
