"""Noun phrases: articles, adjective endings, nouns, in every case of both languages.

Endings follow Duden, Die Grammatik, on the strong, weak and mixed declension of adjectives.
"""

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from aliad.corpus.sample.numerals import english_number, german_number
from aliad.corpus.sample.words import Adjective, Case, Gender, Noun, Person, Pronoun

# For masculine, feminine, neuter, plural; "-" is no ending
_DER: Final = {
    Case.NOMINATIVE: ("der", "die", "das", "die"),
    Case.ACCUSATIVE: ("den", "die", "das", "die"),
    Case.DATIVE: ("dem", "der", "dem", "den"),
}
_DIESER: Final = {
    Case.NOMINATIVE: ("dieser", "diese", "dieses", "diese"),
    Case.ACCUSATIVE: ("diesen", "diese", "dieses", "diese"),
    Case.DATIVE: ("diesem", "dieser", "diesem", "diesen"),
}
_EIN_ENDINGS: Final = {
    Case.NOMINATIVE: ("", "e", "", "e"),
    Case.ACCUSATIVE: ("en", "e", "", "e"),
    Case.DATIVE: ("em", "er", "em", "en"),
}
_STRONG: Final = {
    Case.NOMINATIVE: ("er", "e", "es", "e"),
    Case.ACCUSATIVE: ("en", "e", "es", "e"),
    Case.DATIVE: ("em", "er", "em", "en"),
}
_WEAK: Final = {
    Case.NOMINATIVE: ("e", "e", "e", "en"),
    Case.ACCUSATIVE: ("en", "e", "e", "en"),
    Case.DATIVE: ("en", "en", "en", "en"),
}
_MIXED: Final = {
    Case.NOMINATIVE: ("er", "e", "es", "en"),
    Case.ACCUSATIVE: ("en", "e", "es", "en"),
    Case.DATIVE: ("en", "en", "en", "en"),
}
_COLUMN: Final = {Gender.MASCULINE: 0, Gender.FEMININE: 1, Gender.NEUTER: 2}
_PLURAL: Final = 3


class Article(Enum):
    """What stands before the noun. ``NO`` is the German kein, for an English "not ... a"."""

    THE = auto()
    THIS = auto()
    A = auto()
    NO = auto()
    OWNED = auto()
    NAMED = auto()
    BARE = auto()


@dataclass(frozen=True, slots=True)
class NounPhrase:
    """A noun with article and adjective. A ``count`` of two or more makes it plural.

    ``owner`` is the pair of possessives ("my", "mein") or, for ``NAMED``, of the same name.
    """

    noun: Noun
    article: Article
    adjective: Adjective | None = None
    plural: bool = False
    count: int = 0
    owner: tuple[str, str] = ("", "")

    @property
    def person(self) -> Person:
        """The person of the verb when this is the subject."""
        return Person.PLURAL if self.plural else Person.SINGULAR

    @property
    def definite(self) -> bool:
        """Whether it names something known, which goes before "nicht"."""
        return self.article not in (Article.A, Article.NO, Article.BARE)

    def german(self, case: Case) -> str:
        """Speak it in German."""
        return " ".join(filter(None, (self._german_article(case), self.german_bare(case))))

    def german_bare(self, case: Case) -> str:
        """Speak adjective and noun, with the endings that the article asks for."""
        adjective = ""
        if self.adjective:
            adjective = self.adjective.stem + self._declension()[case][self._column]
        return " ".join(filter(None, (adjective, german_noun(self.noun, case, self.plural))))

    def english(self, as_object: bool = False) -> str:
        """Speak it in English; nouns have one form for subject and object."""
        noun = self.noun.english_plural if self.plural else self.noun.english
        words = f"{self.adjective.english} {noun}" if self.adjective else noun
        match self.article:
            case Article.THE:
                return f"the {words}"
            case Article.THIS:
                return f"these {words}" if self.plural else f"this {words}"
            case Article.A | Article.NO if not self.plural and self.noun.countable:
                return f"an {words}" if words[0] in "aeiou" else f"a {words}"
            case Article.OWNED:
                return f"{self.owner[0]} {words}"
            case Article.NAMED:
                return f"{self.owner[0]}'s {words}"
            case Article.A | Article.NO | Article.BARE:
                return f"{english_number(self.count)} {words}" if self.count else words

    @property
    def _column(self) -> int:
        return _PLURAL if self.plural else _COLUMN[self.noun.gender]

    def _declension(self) -> dict[Case, tuple[str, str, str, str]]:
        match self.article:
            case Article.THE | Article.THIS:
                return _WEAK
            case Article.NO | Article.OWNED:
                return _MIXED
            case Article.A:
                return _STRONG if self.plural or not self.noun.countable else _MIXED
            case Article.NAMED | Article.BARE:
                return _STRONG

    def _german_article(self, case: Case) -> str:
        stem = {Article.NO: "kein", Article.OWNED: self.owner[1]}.get(self.article, "ein")
        match self.article:
            case Article.THE:
                return _DER[case][self._column]
            case Article.THIS:
                return _DIESER[case][self._column]
            case Article.NAMED:
                return f"{self.owner[1]}s"
            case Article.BARE:
                return german_number(self.count) if self.count else ""
            case Article.A if self.plural or not self.noun.countable:
                return ""
            case Article.A | Article.NO | Article.OWNED:
                return stem + _EIN_ENDINGS[case][self._column]


@dataclass(frozen=True, slots=True)
class Name:
    """A person's name, the same in both languages and all cases but the genitive."""

    name: str
    person: Person = Person.SINGULAR
    definite: bool = True

    def german(self, case: Case) -> str:
        """Speak it in German; ``case`` changes nothing."""
        return self.name

    def english(self, as_object: bool = False) -> str:
        """Speak it in English."""
        return self.name


@dataclass(frozen=True, slots=True)
class Personal:
    """A personal pronoun."""

    pronoun: Pronoun
    definite: bool = True

    @property
    def person(self) -> Person:
        """The person of the verb when this is the subject."""
        return self.pronoun.person

    def german(self, case: Case) -> str:
        """Speak it in German."""
        match case:
            case Case.NOMINATIVE:
                return self.pronoun.nominative
            case Case.ACCUSATIVE:
                return self.pronoun.accusative
            case Case.DATIVE:
                return self.pronoun.dative

    def english(self, as_object: bool = False) -> str:
        """Speak it in English."""
        return self.pronoun.english_object if as_object else self.pronoun.english


Phrase = NounPhrase | Name | Personal

_CONTRACTIONS: Final = {
    "in dem": "im",
    "in das": "ins",
    "an dem": "am",
    "zu dem": "zum",
    "zu der": "zur",
}


def german_noun(noun: Noun, case: Case, plural: bool) -> str:
    """Give a noun's form: -n in the dative plural, -n throughout for weak nouns."""
    if plural:
        takes_n = case is Case.DATIVE and noun.german_plural[-1] not in "ns"
        return noun.german_plural + "n" if takes_n else noun.german_plural
    if noun.weak and case is not Case.NOMINATIVE:
        return noun.weak
    return noun.german


def german_with(preposition: str, phrase: Phrase, case: Case) -> str:
    """Put a preposition before a phrase and contract it with the article ("im", "zur")."""
    first, _, rest = phrase.german(case).partition(" ")
    joined = _CONTRACTIONS.get(f"{preposition} {first}")
    plural = isinstance(phrase, NounPhrase) and phrase.plural
    if joined is None or plural:
        return f"{preposition} {first} {rest}".strip()
    return f"{joined} {rest}"
