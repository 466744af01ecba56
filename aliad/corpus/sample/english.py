"""English clauses: statements, questions with and without "do", infinitives."""

from typing import Final

from aliad.corpus.sample.clause import Clause, Tense
from aliad.corpus.sample.words import Person

_ORDER: Final = (Person.I, Person.YOU, Person.SINGULAR, Person.PLURAL)
BE: Final = ("am", "are", "is", "are")
WAS: Final = ("was", "were", "was", "were")
HAVE: Final = ("have", "have", "has", "have")
DO: Final = ("do", "do", "does", "do")


def form(forms: tuple[str, str, str, str], person: Person) -> str:
    """Choose the form for a person from those for I, you, he, we."""
    return forms[_ORDER.index(person)]


def statement(clause: Clause, time_first: bool = False) -> str:
    """Speak it: "the woman bought a car yesterday", "yesterday the woman bought a car"."""
    auxiliary, verb = _predicate(clause)
    middle = clause.time.english if clause.time and clause.time.middle else ""
    words = [clause.subject.english(), auxiliary, middle, verb, *_objects(clause)]
    if clause.time and not clause.time.middle:
        words.insert(0 if time_first else len(words), clause.time.english)
    return _join(words)


def relative_clause(clause: Clause) -> str:
    """Speak it about its subject: "who bought a car yesterday"."""
    auxiliary, verb = _predicate(clause)
    time = clause.time.english if clause.time else ""
    return _join(["who", auxiliary, verb, *_objects(clause), time])


def question(clause: Clause) -> str:
    """Ask whether: "did the woman buy a car yesterday"."""
    person = clause.subject.person
    subject = clause.subject.english()
    base = clause.verb.english.base
    if clause.modal:
        first, _, rest = clause.modal.english.partition(" ")
        words = [form(DO, person), subject, first, rest, base] if rest else [first, subject, base]
    else:
        match clause.tense:
            case Tense.HABIT:
                words = [form(DO, person), subject, base]
            case Tense.NOW:
                words = [form(BE, person), subject, clause.verb.english.ing]
            case Tense.PAST:
                words = ["did", subject, base]
            case Tense.FUTURE:
                words = ["will", subject, base]
    time = clause.time.english if clause.time else ""
    return _join([*words, *_objects(clause), time])


def infinitive_clause(clause: Clause) -> str:
    """Speak it as a purpose: "to buy a car"."""
    return _join(["to", clause.verb.english.base, *_objects(clause)])


def request(clause: Clause) -> str:
    """Ask for it: "please call the doctor"."""
    time = clause.time.english if clause.time else ""
    return _join(["please", clause.verb.english.base, *_objects(clause), time])


def _predicate(clause: Clause) -> tuple[str, str]:
    """Give the auxiliaries and the verb of a statement."""
    third = clause.subject.person is Person.SINGULAR
    base = clause.verb.english.base
    if clause.gladly:
        return "likes to" if third else "like to", base
    if modal := clause.modal:
        if clause.denied:
            return modal.english_denied_third if third else modal.english_denied, base
        return modal.english_third if third else modal.english, base
    return _tensed(clause)


def _tensed(clause: Clause) -> tuple[str, str]:
    person = clause.subject.person
    verb = clause.verb.english
    denied = " not" if clause.denied else ""
    match clause.tense:
        case Tense.HABIT if clause.denied:
            return form(DO, person) + denied, verb.base
        case Tense.HABIT:
            return "", verb.third if person is Person.SINGULAR else verb.base
        case Tense.NOW:
            return form(BE, person) + denied, verb.ing
        case Tense.PAST:
            return ("did not", verb.base) if clause.denied else ("", verb.past)
        case Tense.FUTURE:
            return f"will{denied}", verb.base


def _objects(clause: Clause) -> list[str]:
    return [
        clause.dative.english(True) if clause.dative else "",
        clause.accusative.english(True) if clause.accusative else "",
        clause.company.english if clause.company else "",
        clause.place.english if clause.place else "",
    ]


def _join(words: list[str]) -> str:
    return " ".join(word for word in words if word)
