"""The records of the lexicon: one entry holds a word in both languages."""

from dataclasses import dataclass
from enum import Enum, auto


class Gender(Enum):
    """Grammatical gender of a German noun."""

    MASCULINE = auto()
    FEMININE = auto()
    NEUTER = auto()


class Case(Enum):
    """The three cases this grammar uses; the genitive occurs only in names ("Annas Hund")."""

    NOMINATIVE = auto()
    ACCUSATIVE = auto()
    DATIVE = auto()


class Person(Enum):
    """Which form of the verb a subject takes; ``PLURAL`` is we and they."""

    I = auto()  # noqa: E741
    YOU = auto()
    SINGULAR = auto()
    PLURAL = auto()


class Kind(Enum):
    """What a noun stands for: verbs and adjectives choose by it."""

    PERSON = "person"
    ANIMAL = "animal"
    THING = "thing"
    OPENING = "opening"
    TEXT = "text"
    CLOTHES = "clothes"
    DEVICE = "device"
    VEHICLE = "vehicle"
    FOOD = "food"
    DRINK = "drink"
    PLACE = "place"


@dataclass(frozen=True, slots=True)
class Noun:
    """``weak`` nouns take -n in every case but the nominative singular ("den Nachbarn")."""

    english: str
    english_plural: str
    german: str
    gender: Gender
    german_plural: str
    kind: Kind
    weak: str = ""

    @property
    def countable(self) -> bool:
        """Whether there is a plural; coffee and milk have none."""
        return bool(self.german_plural)


@dataclass(frozen=True, slots=True)
class Adjective:
    """``stem`` takes the endings: "teuer" but "teure", "hoch" but "hohe"."""

    english: str
    english_more: str
    german: str
    stem: str
    german_more: str
    kinds: frozenset[Kind]


@dataclass(frozen=True, slots=True)
class EnglishVerb:
    """Base, third person, past, and -ing form; the latter is empty for verbs of state."""

    base: str
    third: str
    past: str
    ing: str


@dataclass(frozen=True, slots=True)
class GermanVerb:
    """``prefix`` is what a separable verb puts at the end ("ruft ... an"), else empty."""

    prefix: str
    infinitive: str
    first: str
    second: str
    third: str
    participle: str
    with_sein: bool

    def present(self, person: Person) -> str:
        """Give the finite present form without the prefix."""
        match person:
            case Person.I:
                return self.first
            case Person.YOU:
                return self.second
            case Person.SINGULAR:
                return self.third
            case Person.PLURAL:
                return self.infinitive

    @property
    def to_infinitive(self) -> str:
        """Give the infinitive with zu: "zu kaufen", "anzurufen"."""
        return f"{self.prefix}zu{self.infinitive}" if self.prefix else f"zu {self.infinitive}"


@dataclass(frozen=True, slots=True)
class Verb:
    """A verb with the kinds of things it may have as its object."""

    english: EnglishVerb
    german: GermanVerb
    objects: frozenset[Kind] = frozenset()


@dataclass(frozen=True, slots=True)
class Place:
    """A noun with the prepositions that go with it in both languages.

    ``toward`` is the German preposition of direction: "in" (accusative) or "zu" (dative).
    """

    noun: Noun
    english_at: str
    german_at: str
    toward: str


@dataclass(frozen=True, slots=True)
class Pronoun:
    """A personal pronoun, with its forms as subject and as object."""

    english: str
    english_object: str
    nominative: str
    accusative: str
    dative: str
    person: Person


@dataclass(frozen=True, slots=True)
class Time:
    """An adverbial of time.

    ``middle`` stands before the English verb ("often reads"). ``specific`` can be denied: "not
    today", while "not every day" says something else.
    """

    english: str
    german: str
    middle: bool = False
    specific: bool = False
