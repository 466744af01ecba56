"""Sentences of two clauses: reports, reasons, conditions, purposes, relative clauses."""

from dataclasses import replace
from typing import Final

from aliad.corpus.sample import english, german, lexicon, verbs
from aliad.corpus.sample.clause import Clause, Front, Tense
from aliad.corpus.sample.draw import Draw
from aliad.corpus.sample.phrases import Article, NounPhrase
from aliad.corpus.sample.sentence import Sentence, write
from aliad.corpus.sample.words import Case, Gender, Kind

_RELATIVE: Final = {Gender.MASCULINE: "der", Gender.FEMININE: "die", Gender.NEUTER: "das"}


def reported(draw: Draw) -> Sentence:
    """What somebody says, knows, hopes or believes: dass, verb last."""
    verb = draw.pick(verbs.OF_SPEECH)
    speaker = Clause(draw.someone(), verb)
    clause = draw.finished(draw.clause())
    if verb.english.base == "know" and draw.chance(50):
        speaker = replace(speaker, denied=True)
        return write(
            f"{english.statement(speaker)} whether {english.statement(clause)}",
            f"{german.main_clause(speaker)}, {german.last_clause(clause, 'ob')}",
            ".",
        )
    return write(
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
    return write(
        f"{english.statement(first)} {word[0]} {english.statement(second)}",
        f"{german.main_clause(first)}, {german.last_clause(second, word[1])}",
        ".",
    )


def condition(draw: Draw) -> Sentence:
    """When it rains: the clause comes first, and then the finite verb."""
    weather = draw.pick(lexicon.WEATHER)
    clause = draw.finished(draw.clause(tense=Tense.HABIT), middle=True)
    word = draw.pick((("when", "wenn"), ("because", "weil"), ("although", "obwohl")))
    return write(
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
    return write(
        english.statement(first) + join[0] + english.statement(second),
        german.main_clause(first) + join[1] + german.main_clause(second),
        ".",
    )


def purpose(draw: Draw) -> Sentence:
    """What somebody goes somewhere for: um ... zu."""
    subject = draw.someone()
    tense = draw.pick((Tense.PAST, Tense.NOW, Tense.FUTURE))
    verb = draw.pick(verbs.OF_MOTION[:2])
    first = Clause(subject, verb, tense, place=draw.whereto())
    aim = draw.clause(subject, Tense.NOW)
    while aim.verb in (*verbs.OF_MOTION, *verbs.OF_TIME):
        aim = draw.clause(subject, Tense.NOW)
    aim = replace(aim, tense=Tense.HABIT, place=None)
    return write(
        f"{english.statement(first)} {english.infinitive_clause(aim)}",
        f"{german.main_clause(first)}, {german.infinitive_clause(aim)}",
        ".",
    )


def relative(draw: Draw) -> Sentence:
    """Which person: a relative clause between commas, verb last."""
    noun = draw.pick(lexicon.NOUNS[Kind.PERSON])
    plural = draw.chance(30)
    subject = NounPhrase(noun, Article.THE, None, plural)
    inner = draw.finished(draw.clause(subject), deny=10, middle=False)
    inner = replace(inner, gladly=False)
    quality = draw.adjective(Kind.PERSON)
    pronoun = "die" if plural else _RELATIVE[noun.gender]
    return write(
        f"{subject.english()} {english.relative_clause(inner)} "
        f"{english.form(english.BE, subject.person)} {quality.english}",
        f"{subject.german(Case.NOMINATIVE)}, {german.relative_clause(inner, pronoun)}, "
        f"{german.form(german.SEIN, subject.person)} {quality.german}",
        ".",
    )
