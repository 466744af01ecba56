"""The verbs of the sample corpus, as tables by the objects they take."""

from typing import Final

from aliad.corpus.sample.lexicon import read_kinds, rows
from aliad.corpus.sample.words import EnglishVerb, GermanVerb, Verb

# English base (+ particle of all forms), third, past, -ing (- for states); German infinitive
# (separable prefix | rest / first person if irregular), you, he, participle (* with sein); kinds
# of the object
_WITH_ACCUSATIVE: Final = """
    see sees saw - sehen siehst sieht gesehen person,animal,thing,vehicle,place
    buy buys bought buying kaufen kaufst kauft gekauft thing,text,clothes,device,food
    sell sells sold selling verkaufen verkaufst verkauft verkauft thing,device,vehicle
    look+for looks looked looking suchen suchst sucht gesucht thing,clothes,animal
    find finds found - finden findest findet gefunden thing,text,clothes
    read reads read reading lesen liest liest gelesen text
    eat eats ate eating essen isst isst gegessen food
    drink drinks drank drinking trinken trinkst trinkt getrunken drink
    need needs needed - brauchen brauchst braucht gebraucht thing,clothes,device
    visit visits visited visiting besuchen besuchst besucht besucht person
    carry carries carried carrying tragen trägst trägt getragen thing
    repair repairs repaired repairing reparieren reparierst repariert repariert device,vehicle
    wash washes washed washing waschen wäschst wäscht gewaschen clothes,vehicle
    forget forgets forgot - vergessen vergisst vergisst vergessen thing,clothes
    lose loses lost - verlieren verlierst verliert verloren thing,clothes
    draw draws drew drawing zeichnen zeichnest zeichnet gezeichnet person,animal,place
    hear hears heard - hören hörst hört gehört person,animal
    feed feeds fed feeding füttern fütterst füttert gefüttert animal
    call calls called calling an|rufen rufst ruft angerufen person
    pick+up picks picked picking ab|holen holst holt abgeholt person
    invite invites invited inviting ein|laden lädst lädt eingeladen person
    open opens opened opening auf|machen machst macht aufgemacht opening
    close closes closed closing zu|machen machst macht zugemacht opening
    turn+on turns turned turning ein|schalten schaltest schaltet eingeschaltet device
    turn+off turns turned turning aus|schalten schaltest schaltet ausgeschaltet device
    bring+along brings brought bringing mit|bringen bringst bringt mitgebracht food,thing"""

_WITH_DATIVE: Final = """
    help helps helped helping helfen hilfst hilft geholfen person
    thank thanks thanked thanking danken dankst dankt gedankt person
    answer answers answered answering antworten antwortest antwortet geantwortet person
    follow follows followed following folgen folgst folgt gefolgt* person,animal"""

_WITH_BOTH: Final = """
    give gives gave giving geben gibst gibt gegeben thing,text,clothes,food
    show shows showed showing zeigen zeigst zeigt gezeigt thing,text,clothes,device
    send sends sent sending schicken schickst schickt geschickt thing,text
    bring brings brought bringing bringen bringst bringt gebracht thing,text,food
    lend lends lent lending leihen leihst leiht geliehen text,clothes,device,vehicle"""

_WITHOUT_OBJECT: Final = """
    sleep sleeps slept sleeping schlafen schläfst schläft geschlafen
    work works worked working arbeiten arbeitest arbeitet gearbeitet
    dance dances danced dancing tanzen tanzt tanzt getanzt
    sing sings sang singing singen singst singt gesungen
    play plays played playing spielen spielst spielt gespielt
    wait waits waited waiting warten wartest wartet gewartet
    swim swims swam swimming schwimmen schwimmst schwimmt geschwommen*
    watch+television watches watched watching fern|sehen siehst sieht ferngesehen
    go+shopping goes went going ein|kaufen kaufst kauft eingekauft"""

# Of these "arrive" takes a vehicle as its subject, too
_OF_TIME: Final = """
    get+up gets got getting auf|stehen stehst steht aufgestanden*
    arrive arrives arrived arriving an|kommen kommst kommt angekommen*
    come+back comes came coming zurück|kommen kommst kommt zurückgekommen*
    leave leaves left leaving ab|reisen reist reist abgereist*"""

_OF_MOTION: Final = """
    go goes went going gehen gehst geht gegangen*
    run runs ran running laufen läufst läuft gelaufen*
    travel travels travelled travelling fahren fährst fährt gefahren*
    come comes came coming kommen kommst kommt gekommen*"""

_OF_SPEECH: Final = """
    know knows knew - wissen/weiß weißt weiß gewusst
    say says said - sagen sagst sagt gesagt
    hope hopes hoped - hoffen hoffst hofft gehofft
    believe believes believed - glauben glaubst glaubt geglaubt"""


def _verb(row: list[str]) -> Verb:
    base, third, past, ing, german, second, he, participle, *objects = row
    base, plus, particle = base.partition("+")
    tail = plus and f" {particle}"
    infinitive, _, first = german.partition("/")
    prefix, _, rest = infinitive.rpartition("|")
    return Verb(
        EnglishVerb(base + tail, third + tail, past + tail, "" if ing == "-" else ing + tail),
        GermanVerb(
            prefix,
            rest,
            first or (rest[:-1] + "e" if rest.endswith("ern") else rest[:-1]),
            second,
            he,
            participle.removesuffix("*"),
            participle.endswith("*"),
        ),
        read_kinds(objects[0]) if objects else frozenset(),
    )


def _verbs(table: str) -> tuple[Verb, ...]:
    return tuple(map(_verb, rows(table)))


WITH_ACCUSATIVE: Final = _verbs(_WITH_ACCUSATIVE)
WITH_DATIVE: Final = _verbs(_WITH_DATIVE)
WITH_BOTH: Final = _verbs(_WITH_BOTH)
WITHOUT_OBJECT: Final = _verbs(_WITHOUT_OBJECT)
OF_TIME: Final = _verbs(_OF_TIME)
OF_MOTION: Final = _verbs(_OF_MOTION)
OF_SPEECH: Final = _verbs(_OF_SPEECH)
