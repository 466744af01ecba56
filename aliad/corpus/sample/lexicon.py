"""The words of the sample corpus, as tables: one line an entry, a space between columns.

An underscore stands for a space inside an entry.
"""

from typing import Final

from aliad.corpus.sample.words import (
    Adjective,
    Gender,
    Kind,
    Noun,
    Person,
    Place,
    Pronoun,
    Time,
)

_GENDERS: Final = {"m": Gender.MASCULINE, "f": Gender.FEMININE, "n": Gender.NEUTER}


def rows(table: str) -> list[list[str]]:
    """Split a table into its cells."""
    return [
        [cell.replace("_", " ") for cell in line.split()] for line in table.strip().splitlines()
    ]


# English, plural, German, gender, plural, weak form of the singular
_NOUNS: Final = {
    Kind.PERSON: """
        man men Mann m Männer
        woman women Frau f Frauen
        child children Kind n Kinder
        girl girls Mädchen n Mädchen
        boy boys Junge m Jungen Jungen
        teacher teachers Lehrer m Lehrer
        doctor doctors Arzt m Ärzte
        neighbour neighbours Nachbar m Nachbarn Nachbarn
        friend friends Freund m Freunde
        sister sisters Schwester f Schwestern
        brother brothers Bruder m Brüder
        mother mothers Mutter f Mütter
        father fathers Vater m Väter
        uncle uncles Onkel m Onkel
        aunt aunts Tante f Tanten
        daughter daughters Tochter f Töchter
        son sons Sohn m Söhne
        farmer farmers Bauer m Bauern Bauern
        baker bakers Bäcker m Bäcker
        tourist tourists Tourist m Touristen Touristen
        guest guests Gast m Gäste""",
    Kind.ANIMAL: """
        dog dogs Hund m Hunde
        cat cats Katze f Katzen
        horse horses Pferd n Pferde
        bird birds Vogel m Vögel
        cow cows Kuh f Kühe
        mouse mice Maus f Mäuse
        duck ducks Ente f Enten""",
    Kind.THING: """
        table tables Tisch m Tische
        chair chairs Stuhl m Stühle
        picture pictures Bild n Bilder
        key keys Schlüssel m Schlüssel
        ball balls Ball m Bälle
        present presents Geschenk n Geschenke
        flower flowers Blume f Blumen
        cup cups Tasse f Tassen
        knife knives Messer n Messer
        umbrella umbrellas Regenschirm m Regenschirme""",
    Kind.OPENING: """
        door doors Tür f Türen
        window windows Fenster n Fenster
        bag bags Tasche f Taschen
        suitcase suitcases Koffer m Koffer""",
    Kind.TEXT: """
        book books Buch n Bücher
        letter letters Brief m Briefe
        newspaper newspapers Zeitung f Zeitungen""",
    Kind.CLOTHES: """
        coat coats Mantel m Mäntel
        hat hats Hut m Hüte
        shirt shirts Hemd n Hemden
        dress dresses Kleid n Kleider
        shoe shoes Schuh m Schuhe
        jacket jackets Jacke f Jacken""",
    Kind.DEVICE: """
        lamp lamps Lampe f Lampen
        radio radios Radio n Radios
        computer computers Computer m Computer
        camera cameras Kamera f Kameras""",
    Kind.VEHICLE: """
        car cars Auto n Autos
        bicycle bicycles Fahrrad n Fahrräder
        bus buses Bus m Busse
        train trains Zug m Züge
        boat boats Boot n Boote""",
    Kind.FOOD: """
        apple apples Apfel m Äpfel
        cake cakes Kuchen m Kuchen
        egg eggs Ei n Eier
        orange oranges Orange f Orangen
        potato potatoes Kartoffel f Kartoffeln
        tomato tomatoes Tomate f Tomaten
        pear pears Birne f Birnen
        soup soups Suppe f Suppen""",
    Kind.DRINK: """
        coffee - Kaffee m -
        tea - Tee m -
        milk - Milch f -
        water - Wasser n -
        juice - Saft m -""",
}

# Nouns of place: the same columns, then at (English, German) and the German "to"
_PLACES: Final = """
    house houses Haus n Häuser in in zu
    garden gardens Garten m Gärten in in in
    school schools Schule f Schulen at in in
    station stations Bahnhof m Bahnhöfe at an zu
    city cities Stadt f Städte in in in
    village villages Dorf n Dörfer in in in
    kitchen kitchens Küche f Küchen in in in
    room rooms Zimmer n Zimmer in in in
    park parks Park m Parks in in in
    forest forests Wald m Wälder in in in
    hotel hotels Hotel n Hotels at in zu
    restaurant restaurants Restaurant n Restaurants in in in
    museum museums Museum n Museen in in in
    church churches Kirche f Kirchen in in in
    shop shops Laden m Läden in in in
    library libraries Bibliothek f Bibliotheken in in in
    office offices Büro n Büros in in in
    market markets Markt m Märkte at auf zu
    bridge bridges Brücke f Brücken on auf zu
    hospital hospitals Krankenhaus n Krankenhäuser in in in
    theatre theatres Theater n Theater at in in
    lake lakes See m Seen at an zu"""

# English, comparative, German, stem, comparative (- for colours), kinds
_ADJECTIVES: Final = """
    old older alt alt älter person,animal,opening,thing,text,clothes,device,vehicle,place
    new newer neu neu neuer opening,thing,text,clothes,device,vehicle,place
    big bigger groß groß größer animal,opening,thing,device,vehicle,place,food
    tall taller groß groß größer person
    small smaller klein klein kleiner person,animal,opening,thing,clothes,device,vehicle,food,place
    young younger jung jung jünger person,animal
    beautiful more_beautiful schön schön schöner person,animal,opening,thing,clothes,place
    expensive more_expensive teuer teur teurer opening,thing,text,clothes,device,vehicle
    cheap cheaper billig billig billiger opening,thing,text,clothes,device,vehicle
    heavy heavier schwer schwer schwerer opening,thing,device
    red - rot rot - opening,thing,clothes,device,vehicle
    blue - blau blau - opening,thing,clothes,device,vehicle
    green - grün grün - opening,thing,clothes,device,vehicle
    black - schwarz schwarz - animal,clothes,device,vehicle
    white - weiß weiß - animal,clothes,device,vehicle
    good better gut gut besser person,text,food,drink
    friendly friendlier freundlich freundlich freundlicher person
    happy happier glücklich glücklich glücklicher person
    hungry hungrier hungrig hungrig hungriger person,animal
    tired more_tired müde müd müder person,animal
    sick sicker krank krank kränker person,animal
    clever cleverer klug klug klüger person,animal
    famous more_famous berühmt berühmt berühmter person,text,place
    strong stronger stark stark stärker person,animal
    fast faster schnell schnell schneller animal,vehicle,device
    slow slower langsam langsam langsamer vehicle,device
    dark darker dunkel dunkl dunkler place
    quiet quieter ruhig ruhig ruhiger place
    modern more_modern modern modern moderner device,vehicle,place
    warm warmer warm warm wärmer food,drink,clothes
    cold colder kalt kalt kälter food,drink
    fresh fresher frisch frisch frischer food,drink
    sweet sweeter süß süß süßer food,drink
    long longer lang lang länger text,clothes
    short shorter kurz kurz kürzer text,clothes
    interesting more_interesting interessant interessant interessanter text,place
    dirty dirtier schmutzig schmutzig schmutziger opening,thing,clothes,vehicle,place"""


def _noun(row: list[str], kind: Kind) -> Noun:
    english, plural, german, gender, german_plural, *weak = ["" if c == "-" else c for c in row]
    return Noun(
        english, plural, german, _GENDERS[gender], german_plural, kind, weak[0] if weak else ""
    )


def read_kinds(cell: str) -> frozenset[Kind]:
    """Read "person,animal"."""
    return frozenset(Kind(name) for name in cell.split(","))


def _adjective(row: list[str]) -> Adjective:
    english, more, german, stem, german_more, kinds = ["" if c == "-" else c for c in row]
    return Adjective(english, more, german, stem, german_more, read_kinds(kinds))


PLACES: Final = tuple(Place(_noun(row[:5], Kind.PLACE), *row[5:]) for row in rows(_PLACES))
NOUNS: Final[dict[Kind, tuple[Noun, ...]]] = {
    kind: tuple(_noun(row, kind) for row in rows(table)) for kind, table in _NOUNS.items()
} | {Kind.PLACE: tuple(place.noun for place in PLACES)}
ADJECTIVES: Final = tuple(map(_adjective, rows(_ADJECTIVES)))

PRONOUNS: Final = (
    Pronoun("I", "me", "ich", "mich", "mir", Person.I),
    Pronoun("you", "you", "du", "dich", "dir", Person.YOU),
    Pronoun("he", "him", "er", "ihn", "ihm", Person.SINGULAR),
    Pronoun("she", "her", "sie", "sie", "ihr", Person.SINGULAR),
    Pronoun("we", "us", "wir", "uns", "uns", Person.PLURAL),
    Pronoun("they", "them", "sie", "sie", "ihnen", Person.PLURAL),
)
WHO: Final = Pronoun("who", "who", "wer", "wen", "wem", Person.SINGULAR)

# None ends in an s sound, so the genitive is a plain -s
NAMES: Final = ("Anna", "Peter", "Maria", "Julia", "Martin", "Laura", "Paul", "Emma", "Karl", "Eva")
OWNERS: Final = (
    ("my", "mein"),
    ("your", "dein"),
    ("his", "sein"),
    ("her", "ihr"),
    ("our", "unser"),
    ("their", "ihr"),
)
CITIES: Final = (
    ("Berlin", "Berlin"),
    ("Hamburg", "Hamburg"),
    ("Vienna", "Wien"),
    ("Munich", "München"),
    ("Zurich", "Zürich"),
    ("Cologne", "Köln"),
    ("Rome", "Rom"),
    ("London", "London"),
)
VEHICLES_TO_RIDE: Final = (
    ("by bus", "mit dem Bus"),
    ("by train", "mit dem Zug"),
    ("by car", "mit dem Auto"),
    ("by bicycle", "mit dem Fahrrad"),
)
WEATHER: Final = (
    ("it rains", "es", "regnet"),
    ("it snows", "es", "schneit"),
    ("the sun shines", "die Sonne", "scheint"),
    ("the weather is good", "das Wetter gut", "ist"),
    ("it is cold", "es kalt", "ist"),
    ("it is dark", "es dunkel", "ist"),
)

WEEKDAYS: Final = (
    ("Monday", "Montag"),
    ("Tuesday", "Dienstag"),
    ("Wednesday", "Mittwoch"),
    ("Thursday", "Donnerstag"),
    ("Friday", "Freitag"),
    ("Saturday", "Samstag"),
    ("Sunday", "Sonntag"),
)
_ON_A_DAY: Final = tuple(
    Time(f"on {english}", f"am {german}", specific=True) for english, german in WEEKDAYS
)
HABITS: Final = (
    Time("every day", "jeden Tag"),
    Time("every morning", "jeden Morgen"),
    Time("every week", "jede Woche"),
    Time("in summer", "im Sommer"),
    Time("in winter", "im Winter"),
    Time("often", "oft", middle=True),
    Time("always", "immer", middle=True),
    Time("sometimes", "manchmal", middle=True),
    Time("never", "nie", middle=True),
)
PAST_TIMES: Final = (
    Time("yesterday", "gestern", specific=True),
    Time("last week", "letzte Woche", specific=True),
    Time("this morning", "heute Morgen", specific=True),
    Time("two days ago", "vor zwei Tagen"),
    Time("an hour ago", "vor einer Stunde"),
    *_ON_A_DAY,
)
COMING_TIMES: Final = (
    Time("today", "heute", specific=True),
    Time("tomorrow", "morgen", specific=True),
    Time("tonight", "heute Abend", specific=True),
    Time("next week", "nächste Woche", specific=True),
    Time("soon", "bald"),
    Time("in two hours", "in zwei Stunden"),
    *_ON_A_DAY,
)
