"""German noun phrases against tables written out by hand."""

import pytest

from aliad.corpus.sample.lexicon import ADJECTIVES, NOUNS, PLACES, PRONOUNS
from aliad.corpus.sample.phrases import Article, Name, NounPhrase, Personal, german_with
from aliad.corpus.sample.words import Adjective, Case, Noun

CASES = (Case.NOMINATIVE, Case.ACCUSATIVE, Case.DATIVE)
ALL_NOUNS = {noun.english: noun for nouns in NOUNS.values() for noun in nouns}


def noun(english: str) -> Noun:
    return ALL_NOUNS[english]


def adjective(german: str) -> Adjective:
    return next(word for word in ADJECTIVES if word.german == german)


@pytest.mark.parametrize(
    ("article", "english", "plural", "forms"),
    [
        # weak, after der
        (Article.THE, "dog", False, "der alte Hund|den alten Hund|dem alten Hund"),
        (Article.THE, "cat", False, "die alte Katze|die alte Katze|der alten Katze"),
        (Article.THE, "horse", False, "das alte Pferd|das alte Pferd|dem alten Pferd"),
        (Article.THE, "dog", True, "die alten Hunde|die alten Hunde|den alten Hunden"),
        # weak, after dieser
        (Article.THIS, "dog", False, "dieser alte Hund|diesen alten Hund|diesem alten Hund"),
        (Article.THIS, "cat", False, "diese alte Katze|diese alte Katze|dieser alten Katze"),
        (Article.THIS, "horse", False, "dieses alte Pferd|dieses alte Pferd|diesem alten Pferd"),
        (Article.THIS, "cat", True, "diese alten Katzen|diese alten Katzen|diesen alten Katzen"),
        # mixed, after ein and kein
        (Article.A, "dog", False, "ein alter Hund|einen alten Hund|einem alten Hund"),
        (Article.A, "cat", False, "eine alte Katze|eine alte Katze|einer alten Katze"),
        (Article.A, "horse", False, "ein altes Pferd|ein altes Pferd|einem alten Pferd"),
        (Article.NO, "dog", False, "kein alter Hund|keinen alten Hund|keinem alten Hund"),
        (Article.NO, "horse", True, "keine alten Pferde|keine alten Pferde|keinen alten Pferden"),
        # strong, without an article
        (Article.A, "dog", True, "alte Hunde|alte Hunde|alten Hunden"),
        (Article.BARE, "dog", True, "alte Hunde|alte Hunde|alten Hunden"),
    ],
)
def test_articles_and_endings(article: Article, english: str, plural: bool, forms: str) -> None:
    phrase = NounPhrase(noun(english), article, adjective("alt"), plural)
    assert "|".join(phrase.german(case) for case in CASES) == forms


@pytest.mark.parametrize(
    ("english", "forms"),
    [
        ("coffee", "kalter Kaffee|kalten Kaffee|kaltem Kaffee"),
        ("milk", "kalte Milch|kalte Milch|kalter Milch"),
        ("water", "kaltes Wasser|kaltes Wasser|kaltem Wasser"),
    ],
)
def test_strong_singular(english: str, forms: str) -> None:
    phrase = NounPhrase(noun(english), Article.BARE, adjective("kalt"))
    assert "|".join(phrase.german(case) for case in CASES) == forms
    assert phrase.english() == f"cold {english}"
    denied = NounPhrase(noun(english), Article.NO, adjective("kalt"))
    assert denied.english() == f"cold {english}"


@pytest.mark.parametrize(
    ("owner", "english", "plural", "forms"),
    [
        ("unser", "friend", False, "unser guter Freund|unseren guten Freund|unserem guten Freund"),
        ("ihr", "sister", False, "ihre gute Schwester|ihre gute Schwester|ihrer guten Schwester"),
        ("mein", "child", True, "meine guten Kinder|meine guten Kinder|meinen guten Kindern"),
    ],
)
def test_possessives(owner: str, english: str, plural: bool, forms: str) -> None:
    phrase = NounPhrase(noun(english), Article.OWNED, adjective("gut"), plural, owner=("x", owner))
    assert "|".join(phrase.german(case) for case in CASES) == forms


def test_names_and_numbers() -> None:
    dog = NounPhrase(noun("dog"), Article.NAMED, adjective("alt"), owner=("Anna", "Anna"))
    assert [dog.german(case) for case in CASES] == [
        "Annas alter Hund",
        "Annas alten Hund",
        "Annas altem Hund",
    ]
    assert dog.english() == "Anna's old dog"
    books = NounPhrase(noun("book"), Article.BARE, adjective("neu"), True, 21)
    assert books.german(Case.DATIVE) == "einundzwanzig neuen Büchern"
    assert books.english() == "twenty-one new books"
    assert Name("Eva").german(Case.DATIVE) == "Eva"


@pytest.mark.parametrize(
    ("english", "forms"),
    [
        ("boy", "der Junge|den Jungen|dem Jungen|die Jungen|den Jungen"),
        ("neighbour", "der Nachbar|den Nachbarn|dem Nachbarn|die Nachbarn|den Nachbarn"),
        ("tourist", "der Tourist|den Touristen|dem Touristen|die Touristen|den Touristen"),
        ("farmer", "der Bauer|den Bauern|dem Bauern|die Bauern|den Bauern"),
        ("teacher", "der Lehrer|den Lehrer|dem Lehrer|die Lehrer|den Lehrern"),
        ("car", "das Auto|das Auto|dem Auto|die Autos|den Autos"),
        ("girl", "das Mädchen|das Mädchen|dem Mädchen|die Mädchen|den Mädchen"),
        ("egg", "das Ei|das Ei|dem Ei|die Eier|den Eiern"),
        ("city", "die Stadt|die Stadt|der Stadt|die Städte|den Städten"),
    ],
)
def test_nouns(english: str, forms: str) -> None:
    one, many = (NounPhrase(noun(english), Article.THE, None, plural) for plural in (False, True))
    spoken = [one.german(case) for case in CASES]
    spoken += [many.german(case) for case in (Case.NOMINATIVE, Case.DATIVE)]
    assert "|".join(spoken) == forms


@pytest.mark.parametrize(
    ("german", "inflected"),
    [
        ("teuer", "ein teures Auto"),
        ("dunkel", "ein dunkles Auto"),
        ("müde", "ein müdes Auto"),
        ("schmutzig", "ein schmutziges Auto"),
    ],
)
def test_stems(german: str, inflected: str) -> None:
    phrase = NounPhrase(noun("car"), Article.A, adjective(german))
    assert phrase.german(Case.NOMINATIVE) == inflected


@pytest.mark.parametrize(
    ("preposition", "english", "case", "spoken"),
    [
        ("in", "garden", Case.DATIVE, "im großen Garten"),
        ("in", "garden", Case.ACCUSATIVE, "in den großen Garten"),
        ("in", "school", Case.DATIVE, "in der großen Schule"),
        ("in", "school", Case.ACCUSATIVE, "in die große Schule"),
        ("in", "room", Case.ACCUSATIVE, "ins große Zimmer"),
        ("zu", "station", Case.DATIVE, "zum großen Bahnhof"),
        ("zu", "bridge", Case.DATIVE, "zur großen Brücke"),
        ("an", "lake", Case.DATIVE, "am großen See"),
        ("auf", "market", Case.DATIVE, "auf dem großen Markt"),
        ("mit", "dog", Case.DATIVE, "mit dem großen Hund"),
    ],
)
def test_prepositions(preposition: str, english: str, case: Case, spoken: str) -> None:
    phrase = NounPhrase(noun(english), Article.THE, adjective("groß"))
    assert german_with(preposition, phrase, case) == spoken


def test_no_contraction_with_a_plural_or_an_indefinite_article() -> None:
    schools = NounPhrase(noun("school"), Article.THE, None, True)
    assert german_with("in", schools, Case.DATIVE) == "in den Schulen"
    school = NounPhrase(noun("school"), Article.A)
    assert german_with("zu", school, Case.DATIVE) == "zu einer Schule"
    assert german_with("mit", Personal(PRONOUNS[3]), Case.DATIVE) == "mit ihr"


def test_english_articles_need_no_exceptions() -> None:
    words = [noun.english for noun in ALL_NOUNS.values()] + [word.english for word in ADJECTIVES]
    assert not [word for word in words if word.startswith(("hour", "hon", "uni", "eu", "use"))]
    assert NounPhrase(noun("uncle"), Article.A).english() == "an uncle"
    assert NounPhrase(noun("uncle"), Article.A, adjective("gut")).english() == "a good uncle"
    assert NounPhrase(noun("mouse"), Article.A, None, True).english() == "mice"


def test_places_are_nouns_of_place() -> None:
    assert {place.toward for place in PLACES} == {"in", "zu"}
    assert len({noun.german for noun in ALL_NOUNS.values()}) == len(ALL_NOUNS) > 80
