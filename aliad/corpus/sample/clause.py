"""The meaning of a clause: who does what to whom, when, where, and whether at all."""

from dataclasses import dataclass
from enum import Enum, auto

from aliad.corpus.sample.phrases import Phrase
from aliad.corpus.sample.words import Person, Time, Verb


class Tense(Enum):
    """``HABIT`` is the simple present, ``NOW`` the progressive; ``PAST`` is the German perfect."""

    HABIT = auto()
    NOW = auto()
    PAST = auto()
    FUTURE = auto()


class Front(Enum):
    """What opens a German main clause, before the finite verb."""

    SUBJECT = auto()
    TIME = auto()
    NOTHING = auto()


@dataclass(frozen=True, slots=True)
class Modal:
    """A modal verb: English with and without "not", German forms for I, you, he, we."""

    english: str
    english_third: str
    english_denied: str
    english_denied_third: str
    german: tuple[str, str, str, str]

    def present(self, person: Person) -> str:
        """Give the German finite form."""
        order = (Person.I, Person.YOU, Person.SINGULAR, Person.PLURAL)
        return self.german[order.index(person)]


@dataclass(frozen=True, slots=True)
class Adverbial:
    """Where or whereto, and with whom or what, ready spoken in both languages."""

    english: str
    german: str


@dataclass(frozen=True, slots=True)
class Clause:
    """One clause. ``gladly`` is "likes to", in German the adverb gern."""

    subject: Phrase
    verb: Verb
    tense: Tense = Tense.HABIT
    dative: Phrase | None = None
    accusative: Phrase | None = None
    time: Time | None = None
    company: Adverbial | None = None
    place: Adverbial | None = None
    modal: Modal | None = None
    denied: bool = False
    gladly: bool = False
