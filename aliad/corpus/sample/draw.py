"""Drawing the parts of a meaning: nouns, phrases, adverbials, whole clauses."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final, TypeVar

from aliad.corpus.sample import lexicon, verbs
from aliad.corpus.sample.clause import Adverbial, Clause, Modal, Tense
from aliad.corpus.sample.numerals import english_clock, german_clock
from aliad.corpus.sample.phrases import (
    Article,
    Name,
    NounPhrase,
    Personal,
    Phrase,
    german_with,
)
from aliad.corpus.sample.words import Adjective, Case, Kind, Noun, Place, Time, Verb
from aliad.corpus.shuffle import below, words

T = TypeVar("T")

MODALS: Final = (
    Modal("can", "can", "cannot", "cannot", ("kann", "kannst", "kann", "können")),
    Modal(
        "must",
        "must",
        "do not have to",
        "does not have to",
        ("muss", "musst", "muss", "müssen"),
    ),
    Modal(
        "want to",
        "wants to",
        "do not want to",
        "does not want to",
        ("will", "willst", "will", "wollen"),
    ),
    Modal(
        "should",
        "should",
        "should not",
        "should not",
        ("sollte", "solltest", "sollte", "sollten"),
    ),
    Modal("may", "may", "may not", "may not", ("darf", "darfst", "darf", "dürfen")),
)
_TIMES: Final = {
    Tense.HABIT: lexicon.HABITS,
    Tense.PAST: lexicon.PAST_TIMES,
    Tense.FUTURE: lexicon.COMING_TIMES,
}
_BESIDE: Final = (("in front of", "vor"), ("behind", "hinter"), ("next to", "neben"))
_PERSONS: Final = frozenset({Kind.PERSON})


class Draw:
    """A seeded stream of choices. The same seed makes the same choices, in the same order."""

    def __init__(self, seed: bytes) -> None:
        self._words = words(seed)

    def below(self, bound: int) -> int:
        """Draw from ``range(bound)``."""
        return below(bound, self._words)

    def chance(self, percent: int) -> bool:
        """Draw yes with this probability."""
        return self.below(100) < percent

    def pick(self, choices: Sequence[T]) -> T:
        """Draw one of ``choices``."""
        return choices[self.below(len(choices))]

    def noun(self, kinds: frozenset[Kind]) -> Noun:
        """Draw a noun of one of the kinds."""
        return self.pick(lexicon.NOUNS[self.pick(sorted(kinds, key=lambda kind: kind.value))])

    def adjectives(self, kind: Kind) -> list[Adjective]:
        """Give the adjectives that suit the kind."""
        return [word for word in lexicon.ADJECTIVES if kind in word.kinds]

    def adjective(self, kind: Kind) -> Adjective:
        """Draw an adjective that suits the kind."""
        return self.pick(self.adjectives(kind))

    def phrase(self, noun: Noun, known: bool = False) -> NounPhrase:
        """Dress a noun with an article, perhaps an adjective, perhaps the plural or a number.

        ``known`` keeps to articles that name something definite.
        """
        adjective = self.adjective(noun.kind) if self.chance(40) else None
        if not noun.countable:
            article = Article.THE if known or self.chance(30) else Article.BARE
            return NounPhrase(noun, article, adjective)
        article = self._article(known)
        count = 0
        if article is Article.BARE:
            count = 2 + (self.below(11) if self.chance(70) else self.below(98))
        owner = ("", "")
        if article is Article.OWNED:
            owner = self.pick(lexicon.OWNERS)
        elif article is Article.NAMED:
            owner = (name := self.pick(lexicon.NAMES), name)
        return NounPhrase(noun, article, adjective, count > 0 or self.chance(25), count, owner)

    def _article(self, known: bool) -> Article:
        """Draw an article for a noun that can be counted; ``BARE`` means a number before it."""
        choice = self.below(55 if known else 100)
        bounds = (
            (30, Article.THE),
            (37, Article.THIS),
            (50, Article.OWNED),
            (55, Article.NAMED),
            (62, Article.BARE),
            (100, Article.A),
        )
        return next(article for bound, article in bounds if choice < bound)

    def someone(self, known: bool = True) -> Phrase:
        """Draw a person: a pronoun, a name or a noun phrase."""
        choice = self.below(100)
        if choice < 35:
            return Personal(self.pick(lexicon.PRONOUNS))
        if choice < 45:
            return Name(self.pick(lexicon.NAMES))
        return self.phrase(self.noun(_PERSONS), known)

    def other_person(self, subject: Phrase) -> Phrase:
        """Draw a known person who is not the subject, to be its object."""
        while True:
            other = self.someone()
            clash = isinstance(other, Personal) and isinstance(subject, Personal)
            if other != subject and not clash:
                return other

    def time(self, tense: Tense, middle: bool = True) -> Time | None:
        """Draw a time that fits the tense, a time of day, or none; ``middle`` allows "often"."""
        choice = self.below(100)
        if tense is Tense.NOW or choice < 35:
            return None
        if choice < 50:
            hour, minute = 1 + self.below(12), 5 * self.below(12)
            return Time(f"at {english_clock(hour, minute)}", f"um {german_clock(hour, minute)}")
        times = [time for time in _TIMES[tense] if middle or not time.middle]
        return self.pick(times)

    def where(self) -> Adverbial:
        """Draw a place to be at: dative."""
        if self.chance(15):
            english, german = self.pick(lexicon.CITIES)
            return Adverbial(f"in {english}", f"in {german}")
        place = self.pick(lexicon.PLACES)
        phrase = self._place_phrase(place)
        at = (place.english_at, place.german_at)
        english, german = self.pick(_BESIDE) if self.chance(20) else at
        return Adverbial(f"{english} {phrase.english()}", german_with(german, phrase, Case.DATIVE))

    def to_city(self) -> Adverbial:
        """Draw a city to go to: nach."""
        english, german = self.pick(lexicon.CITIES)
        return Adverbial(f"to {english}", f"nach {german}")

    def whereto(self) -> Adverbial:
        """Draw a place to go to: in with accusative, zu with dative."""
        place = self.pick(lexicon.PLACES)
        phrase = self._place_phrase(place)
        case = Case.ACCUSATIVE if place.toward == "in" else Case.DATIVE
        return Adverbial(f"to {phrase.english()}", german_with(place.toward, phrase, case))

    def company(self) -> Adverbial:
        """Draw somebody to do it with: mit and dative."""
        phrase = self.phrase(self.noun(frozenset({Kind.PERSON, Kind.ANIMAL})), known=True)
        return Adverbial(f"with {phrase.english()}", german_with("mit", phrase, Case.DATIVE))

    def _place_phrase(self, place: Place) -> NounPhrase:
        adjective = self.adjective(Kind.PLACE) if self.chance(25) else None
        article = Article.THE if self.chance(80) else Article.A
        return NounPhrase(place.noun, article, adjective)

    def clause(self, subject: Phrase | None = None, tense: Tense | None = None) -> Clause:
        """Draw a positive clause of any kind, without time and modal."""
        subject = subject or self.someone(known=self.chance(70))
        tense = tense or self.pick(tuple(Tense))
        choice = self.below(100)
        if choice < 45:
            clause = self._with_accusative(subject, tense)
        elif choice < 55:
            verb = self._verb(verbs.WITH_DATIVE, tense)
            clause = Clause(subject, verb, tense, dative=self.other_person(subject))
        elif choice < 68:
            verb = self._verb(verbs.WITH_BOTH, tense)
            clause = Clause(
                subject,
                verb,
                tense,
                dative=self.other_person(subject),
                accusative=self.phrase(self.noun(verb.objects)),
            )
        elif choice < 80:
            verb = self._verb(verbs.WITHOUT_OBJECT, tense)
            company = self.company() if self.chance(30) else None
            place = None if verb.english.base == "swim" else self.where()
            clause = Clause(subject, verb, tense, company=company, place=place)
        elif choice < 88:
            clause = Clause(subject, self._verb(verbs.OF_TIME, tense), tense)
        else:
            clause = self._motion(subject, tense)
        return clause

    def finished(self, clause: Clause, deny: int = 20, middle: bool = True) -> Clause:
        """Add a time, a modal, "likes to" or a denial, whatever goes together."""
        modal = None
        gladly = False
        if clause.tense in (Tense.HABIT, Tense.FUTURE) and self.chance(35):
            modal = self.pick(MODALS)
            clause = replace(clause, tense=Tense.FUTURE)
        elif clause.tense is Tense.HABIT and self.chance(20):
            gladly = self._can_be_liked(clause)
        time = None if gladly else self.time(clause.tense, middle)
        may_deny = not gladly and (time is None or time.specific) and not self._counts(clause)
        denied = may_deny and self.chance(deny)
        return replace(clause, modal=modal, gladly=gladly, time=time, denied=denied)

    def _verb(self, choices: Sequence[Verb], tense: Tense) -> Verb:
        fitting = [verb for verb in choices if verb.english.ing or tense is not Tense.NOW]
        return self.pick(fitting)

    def _with_accusative(self, subject: Phrase, tense: Tense) -> Clause:
        verb = self._verb(verbs.WITH_ACCUSATIVE, tense)
        noun = self.noun(verb.objects)
        if noun.kind is not Kind.PERSON:
            return Clause(subject, verb, tense, accusative=self.phrase(noun))
        other = self.other_person(subject)
        if isinstance(other, Personal) and " " in verb.english.base:
            other = Name(self.pick(lexicon.NAMES))  # "picks up him" is not English
        return Clause(subject, verb, tense, accusative=other)

    def _motion(self, subject: Phrase, tense: Tense) -> Clause:
        verb = self._verb(verbs.OF_MOTION, tense)
        if verb.english.base == "travel":
            to, by = self.to_city(), self.pick(lexicon.VEHICLES_TO_RIDE)
            place = Adverbial(f"{to.english} {by[0]}", f"{by[1]} {to.german}")
        elif verb.english.base == "come" and self.chance(40):
            place = self.to_city()
        else:
            place = self.whereto()
        return Clause(subject, verb, tense, place=place)

    @staticmethod
    def _can_be_liked(clause: Clause) -> bool:
        accusative = clause.accusative
        return bool(clause.verb.english.ing) and (accusative is None or not accusative.definite)

    @staticmethod
    def _counts(clause: Clause) -> bool:
        accusative = clause.accusative
        return isinstance(accusative, NounPhrase) and accusative.count > 0
