"""Word order, tenses, separable verbs and negation against sentences written out by hand."""

from dataclasses import replace

import pytest

from aliad.corpus.sample import english, german, lexicon, verbs
from aliad.corpus.sample.clause import Adverbial, Clause, Front, Tense
from aliad.corpus.sample.draw import MODALS
from aliad.corpus.sample.phrases import Article, Name, NounPhrase, Personal
from aliad.corpus.sample.words import Adjective, Noun, Person, Time, Verb

VERBS = (
    *verbs.WITH_ACCUSATIVE,
    *verbs.WITH_DATIVE,
    *verbs.WITH_BOTH,
    *verbs.WITHOUT_OBJECT,
    *verbs.OF_TIME,
    *verbs.OF_MOTION,
    *verbs.OF_SPEECH,
)


def verb(base: str) -> Verb:
    return next(verb for verb in VERBS if verb.english.base == base)


def noun(word: str) -> Noun:
    return next(noun for nouns in lexicon.NOUNS.values() for noun in nouns if noun.english == word)


def the(word: str) -> NounPhrase:
    return NounPhrase(noun(word), Article.THE)


def red() -> Adjective:
    return next(word for word in lexicon.ADJECTIVES if word.english == "red")


ME, YOU, HE, SHE, WE, THEY = map(Personal, lexicon.PRONOUNS)
A_RED_CAR = NounPhrase(noun("car"), Article.A, red())
YESTERDAY = Time("yesterday", "gestern", specific=True)
OFTEN = Time("often", "oft", middle=True)
MUST, WANT = MODALS[1], MODALS[2]
BUY = Clause(the("woman"), verb("buy"), accusative=A_RED_CAR)
BOUGHT = replace(BUY, tense=Tense.PAST, time=YESTERDAY)
CALL = Clause(HE, verb("call"), accusative=the("doctor"))


@pytest.mark.parametrize(
    ("clause", "in_english", "in_german"),
    [
        (BUY, "the woman buys a red car", "die Frau kauft ein rotes Auto"),
        (
            BOUGHT,
            "the woman bought a red car yesterday",
            "die Frau hat gestern ein rotes Auto gekauft",
        ),
        (
            replace(BOUGHT, denied=True),
            "the woman did not buy a red car yesterday",
            "die Frau hat gestern kein rotes Auto gekauft",
        ),
        (
            replace(BOUGHT, denied=True, accusative=the("car")),
            "the woman did not buy the car yesterday",
            "die Frau hat das Auto gestern nicht gekauft",
        ),
        (
            replace(BUY, tense=Tense.FUTURE, subject=THEY),
            "they will buy a red car",
            "sie werden ein rotes Auto kaufen",
        ),
        (
            replace(BUY, tense=Tense.NOW, subject=ME),
            "I am buying a red car",
            "ich kaufe gerade ein rotes Auto",
        ),
        (
            replace(BUY, gladly=True),
            "the woman likes to buy a red car",
            "die Frau kauft gern ein rotes Auto",
        ),
        (CALL, "he calls the doctor", "er ruft den Arzt an"),
        (
            replace(CALL, subject=YOU, modal=MUST),
            "you must call the doctor",
            "du musst den Arzt anrufen",
        ),
        (
            replace(CALL, modal=MUST, denied=True),
            "he does not have to call the doctor",
            "er muss den Arzt nicht anrufen",
        ),
        (
            replace(CALL, tense=Tense.PAST),
            "he called the doctor",
            "er hat den Arzt angerufen",
        ),
        (
            Clause(the("boy"), verb("arrive"), Tense.PAST),
            "the boy arrived",
            "der Junge ist angekommen",
        ),
        (
            Clause(SHE, verb("give"), dative=the("child"), accusative=A_RED_CAR),
            "she gives the child a red car",
            "sie gibt dem Kind ein rotes Auto",
        ),
        (
            Clause(SHE, verb("give"), Tense.PAST, dative=HE, accusative=the("key"), time=YESTERDAY),
            "she gave him the key yesterday",
            "sie hat ihm gestern den Schlüssel gegeben",
        ),
        (
            Clause(the("girl"), verb("help"), dative=the("neighbour"), time=OFTEN),
            "the girl often helps the neighbour",
            "das Mädchen hilft dem Nachbarn oft",
        ),
        (
            Clause(ME, verb("follow"), Tense.PAST, dative=THEY, denied=True),
            "I did not follow them",
            "ich bin ihnen nicht gefolgt",
        ),
        (
            Clause(
                WE,
                verb("play"),
                company=Adverbial("with the dog", "mit dem Hund"),
                place=Adverbial("in the garden", "im Garten"),
                time=YESTERDAY,
                tense=Tense.PAST,
                denied=True,
            ),
            "we did not play with the dog in the garden yesterday",
            "wir haben gestern nicht mit dem Hund im Garten gespielt",
        ),
        (
            Clause(Name("Eva"), verb("drink"), accusative=NounPhrase(noun("coffee"), Article.BARE)),
            "Eva drinks coffee",
            "Eva trinkt Kaffee",
        ),
        (
            Clause(
                Name("Eva"),
                verb("drink"),
                accusative=NounPhrase(noun("coffee"), Article.BARE),
                denied=True,
            ),
            "Eva does not drink coffee",
            "Eva trinkt keinen Kaffee",
        ),
    ],
)
def test_statements(clause: Clause, in_english: str, in_german: str) -> None:
    assert english.statement(clause) == in_english
    assert german.main_clause(clause) == in_german


def test_time_in_front_keeps_the_verb_second() -> None:
    assert english.statement(BOUGHT, time_first=True) == "yesterday the woman bought a red car"
    spoken = german.main_clause(BOUGHT, Front.TIME)
    assert spoken == "gestern hat die Frau ein rotes Auto gekauft"


@pytest.mark.parametrize(
    ("clause", "in_english", "in_german"),
    [
        (BUY, "does the woman buy a red car", "kauft die Frau ein rotes Auto"),
        (
            BOUGHT,
            "did the woman buy a red car yesterday",
            "hat die Frau gestern ein rotes Auto gekauft",
        ),
        (replace(CALL, tense=Tense.NOW), "is he calling the doctor", "ruft er gerade den Arzt an"),
        (
            replace(CALL, modal=WANT),
            "does he want to call the doctor",
            "will er den Arzt anrufen",
        ),
        (
            replace(CALL, subject=WE, modal=MUST),
            "must we call the doctor",
            "müssen wir den Arzt anrufen",
        ),
        (replace(CALL, tense=Tense.FUTURE), "will he call the doctor", "wird er den Arzt anrufen"),
    ],
)
def test_questions(clause: Clause, in_english: str, in_german: str) -> None:
    assert english.question(clause) == in_english
    assert german.main_clause(clause, Front.NOTHING) == in_german


@pytest.mark.parametrize(
    ("clause", "spoken"),
    [
        (BUY, "weil die Frau ein rotes Auto kauft"),
        (BOUGHT, "weil die Frau gestern ein rotes Auto gekauft hat"),
        (replace(BUY, modal=WANT), "weil die Frau ein rotes Auto kaufen will"),
        (CALL, "weil er den Arzt anruft"),
        (replace(CALL, tense=Tense.FUTURE), "weil er den Arzt anrufen wird"),
        (replace(CALL, tense=Tense.PAST), "weil er den Arzt angerufen hat"),
        (Clause(THEY, verb("come back"), Tense.PAST), "weil sie zurückgekommen sind"),
        (Clause(ME, verb("watch television")), "weil ich fernsehe"),
    ],
)
def test_verb_last(clause: Clause, spoken: str) -> None:
    assert german.last_clause(clause, "weil") == spoken


def test_infinitives_relatives_and_requests() -> None:
    assert german.infinitive_clause(BUY) == "um ein rotes Auto zu kaufen"
    assert german.infinitive_clause(CALL) == "um den Arzt anzurufen"
    assert english.infinitive_clause(CALL) == "to call the doctor"
    assert german.relative_clause(BOUGHT, "die") == "die gestern ein rotes Auto gekauft hat"
    assert english.relative_clause(BOUGHT) == "who bought a red car yesterday"
    assert german.polite_request(CALL) == "bitte rufen Sie den Arzt an"
    assert english.request(CALL) == "please call the doctor"


@pytest.mark.parametrize(
    ("base", "forms"),
    [
        ("read", "lese liest liest lesen gelesen"),
        ("wash", "wasche wäschst wäscht waschen gewaschen"),
        ("help", "helfe hilfst hilft helfen geholfen"),
        ("feed", "füttere fütterst füttert füttern gefüttert"),
        ("work", "arbeite arbeitest arbeitet arbeiten gearbeitet"),
        ("know", "weiß weißt weiß wissen gewusst"),
        ("invite", "lade lädst lädt laden eingeladen"),
        ("travel", "fahre fährst fährt fahren gefahren"),
        ("dance", "tanze tanzt tanzt tanzen getanzt"),
    ],
)
def test_verb_forms(base: str, forms: str) -> None:
    spoken = verb(base).german
    persons = (Person.I, Person.YOU, Person.SINGULAR, Person.PLURAL)
    assert " ".join([*map(spoken.present, persons), spoken.participle]) == forms


@pytest.mark.parametrize("word", VERBS, ids=lambda word: word.english.base)
def test_regularities_of_the_verb_tables(word: Verb) -> None:
    """Typing errors in the tables would break one of these."""
    spoken = word.german
    assert spoken.participle.startswith(spoken.prefix)
    inner = spoken.participle.removeprefix(spoken.prefix)
    assert inner.startswith("ge") or spoken.infinitive[:2] in ("be", "ve", "re")
    assert inner.endswith(("t", "en"))
    assert spoken.infinitive.endswith("n")
    assert spoken.second.endswith("t")
    assert spoken.third.endswith("t") or spoken.third == "weiß"
    assert word.english.third.split()[0].endswith("s")
    assert not word.english.ing or word.english.ing.split()[0].endswith("ing")
    assert len({form.partition(" ")[2] for form in (word.english.base, word.english.past)}) == 1
