"""German clauses: verb second, verb first, verb last, and the order between the brackets.

Between finite verb and the rest of the predicate stand, in this order: the subject if it is not in
front, pronoun objects (accusative first), known objects if the clause is denied or tells how often,
time, gern, dative, accusative, nicht, company, place.
"""

from typing import Final

from aliad.corpus.sample.clause import Clause, Front, Tense
from aliad.corpus.sample.phrases import Article, NounPhrase, Personal, Phrase
from aliad.corpus.sample.words import Case, Person

HABEN: Final = ("habe", "hast", "hat", "haben")
SEIN: Final = ("bin", "bist", "ist", "sind")
HATTE: Final = ("hatte", "hattest", "hatte", "hatten")
WAR: Final = ("war", "warst", "war", "waren")
WERDEN: Final = ("werde", "wirst", "wird", "werden")
_ORDER: Final = (Person.I, Person.YOU, Person.SINGULAR, Person.PLURAL)


def form(forms: tuple[str, str, str, str], person: Person) -> str:
    """Choose the form for a person from those for I, you, he, we."""
    return forms[_ORDER.index(person)]


def main_clause(clause: Clause, front: Front = Front.SUBJECT) -> str:
    """Speak with the finite verb second: "Gestern hat die Frau ein Auto gekauft"."""
    finite, rest = _predicate(clause)
    middle = _middle(clause, without_time=front is Front.TIME)
    subject = clause.subject.german(Case.NOMINATIVE)
    match front:
        case Front.SUBJECT:
            words = [subject, finite, *middle, rest]
        case Front.TIME:
            time = clause.time.german if clause.time else ""
            words = [time, finite, subject, *middle, rest]
        case Front.NOTHING:
            words = [finite, subject, *middle, rest]
    return _join(words)


def last_clause(clause: Clause, opening: str) -> str:
    """Speak with the finite verb last: "weil die Frau ein Auto gekauft hat"."""
    finite, rest = _predicate(clause)
    subject = clause.subject.german(Case.NOMINATIVE)
    return _join([opening, subject, *_middle(clause), _closing(clause, finite, rest)])


def relative_clause(clause: Clause, pronoun: str) -> str:
    """Speak it about its subject: "die ein Auto gekauft hat"."""
    finite, rest = _predicate(clause)
    return _join([pronoun, *_middle(clause), _closing(clause, finite, rest)])


def infinitive_clause(clause: Clause) -> str:
    """Speak it without a subject, as a purpose: "um ein Auto zu kaufen"."""
    return _join(["um", *_middle(clause), clause.verb.german.to_infinitive])


def polite_request(clause: Clause) -> str:
    """Ask for it: "bitte rufen Sie den Arzt an"."""
    verb = clause.verb.german
    return _join(["bitte", verb.infinitive, "Sie", *_middle(clause), verb.prefix])


def _predicate(clause: Clause) -> tuple[str, str]:
    """Give the finite verb and what closes a main clause."""
    verb = clause.verb.german
    person = clause.subject.person
    if clause.modal:
        return clause.modal.present(person), verb.prefix + verb.infinitive
    match clause.tense:
        case Tense.HABIT | Tense.NOW:
            return verb.present(person), verb.prefix
        case Tense.PAST:
            return form(SEIN if verb.with_sein else HABEN, person), verb.participle
        case Tense.FUTURE:
            return form(WERDEN, person), verb.prefix + verb.infinitive


def _closing(clause: Clause, finite: str, rest: str) -> str:
    """Give the end of a clause with the verb last: prefix and verb are one word there."""
    simple = clause.modal is None and clause.tense in (Tense.HABIT, Tense.NOW)
    return rest + finite if simple else f"{rest} {finite}"


def _middle(clause: Clause, without_time: bool = False) -> list[str]:
    accusative = _denied(clause.accusative) if clause.denied else clause.accusative
    known_first = clause.denied or (clause.time is not None and clause.time.middle)
    ranked: list[tuple[int, str]] = []
    if accusative:
        rank = 1 if isinstance(accusative, Personal) else 8
        if known_first and accusative.definite:
            rank = min(rank, 4)
        ranked.append((rank, accusative.german(Case.ACCUSATIVE)))
    if clause.dative:
        rank = 2 if isinstance(clause.dative, Personal) else 7
        ranked.append((min(rank, 3) if known_first else rank, clause.dative.german(Case.DATIVE)))
    if clause.time and not without_time:
        ranked.append((5, clause.time.german))
    if clause.tense is Tense.NOW:
        ranked.append((5, "gerade"))
    if clause.gladly:
        ranked.append((6, "gern"))
    if clause.denied and (accusative is None or accusative.definite):
        ranked.append((9, "nicht"))
    if clause.company:
        ranked.append((10, clause.company.german))
    if clause.place:
        ranked.append((11, clause.place.german))
    return [words for _, words in sorted(ranked, key=lambda entry: entry[0])]


def _denied(phrase: Phrase | None) -> Phrase | None:
    """Turn "ein Auto" into "kein Auto"; what is definite is denied by "nicht"."""
    if not isinstance(phrase, NounPhrase) or phrase.definite:
        return phrase
    return NounPhrase(phrase.noun, Article.NO, phrase.adjective, phrase.plural)


def _join(words: list[str]) -> str:
    return " ".join(word for word in words if word)
