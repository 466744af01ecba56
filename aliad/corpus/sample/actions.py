"""Sentences about what somebody does: statements, questions, requests."""

from dataclasses import replace

from aliad.corpus.sample import english, german, lexicon
from aliad.corpus.sample.clause import Clause, Front, Tense
from aliad.corpus.sample.draw import Draw
from aliad.corpus.sample.phrases import NounPhrase, Personal, Phrase
from aliad.corpus.sample.sentence import Sentence, write
from aliad.corpus.sample.words import Kind


def statement(draw: Draw) -> Sentence:
    """What somebody does; the time may come first."""
    clause = draw.finished(draw.clause())
    front = bool(clause.time) and not _is_middle(clause) and draw.chance(35)
    return write(
        english.statement(clause, time_first=front),
        german.main_clause(clause, Front.TIME if front else Front.SUBJECT),
        ".",
    )


def yes_no_question(draw: Draw) -> Sentence:
    """Whether somebody does something."""
    clause = replace(draw.finished(draw.clause(), deny=0, middle=False), gladly=False)
    return write(english.question(clause), german.main_clause(clause, Front.NOTHING), "?")


def who_question(draw: Draw) -> Sentence:
    """Who does something."""
    clause = draw.finished(draw.clause(Personal(lexicon.WHO)), deny=0)
    return write(english.statement(clause), german.main_clause(clause), "?")


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
    return write(
        f"{asked[0]} {english.question(clause)}",
        f"{asked[1]} {german.main_clause(clause, Front.NOTHING)}",
        "?",
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
    return write(english.request(clause), asked, ".")


def _is_middle(clause: Clause) -> bool:
    return clause.time is not None and clause.time.middle


def _is_person(phrase: Phrase) -> bool:
    return not isinstance(phrase, NounPhrase) or phrase.noun.kind is Kind.PERSON
