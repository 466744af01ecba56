"""Words after which a full stop does not end a sentence, by language.

Titles and the like are always followed by more. Abbreviations that often end a sentence ("etc.",
"Inc.") are left out: what follows in lower case does not begin a sentence anyway.
"""

from functools import cache
from typing import Final

from aliad.documents.pieces import words

# A number after them goes on: "No. 5", "S. 12".
NUMBERED: Final = words(
    "no nos nr nrn art abs bd s p pp vol ch cap sec fig abb tab kap ziff núm pág págs "
    "num pag рис стр гл ст č str obr tzn ř"
)

# "am 3. Oktober", "3. oktober", "3. října": a full stop makes an ordinal of a number.
ORDINAL_LANGUAGES: Final = words("de da no nb nn fi cs sk sl hr sr bs hu et lv is pl tr gsw lb")

_COMMON = "dr prof mr mrs ms st sr jr vs ca cf al ph"

_WORDS: Final[dict[str, str]] = {
    "en": "messrs mme mlle rev hon gen col capt cmdr lt sgt maj adm gov sen rep pres supt mt ft "
    "fig figs eq approx est dept univ assn bros jan feb mar apr jun jul aug sept sep oct nov dec "
    "eg ie viz",
    "de": "hr fr hrn frl dipl ing med phil nat jur rer habil bzw bspw ggf evtl usf vgl sog inkl "
    "exkl zzgl zz max min mind tel str nr art abs bd hg hrsg jh jhd chr geb gest verh mio mrd tsd "
    "jan feb mär apr jun jul aug sept okt nov dez mo di mi do fr sa so allg bes dt engl franz lat "
    "u.a d.h z.b o.ä i.d.r u.u s.o s.u v.a lt gem ges",
    "fr": "m mm mme mmes mlle mlles me mgr dr pr st ste av bd boul fg env ex fig chap vol p pp "
    "janv févr avr juil sept oct nov déc tél apr auj c.-à-d",
    "es": "sr sra sres sras srta d dª dña dr dra dres ud uds vd vds ee uu av avda c/ cía dpto "
    "gral ing lic prof pág págs ej núm art cap fig vol aprox tel izq dcha ene feb abr jun jul "
    "ago sept oct nov dic p.ej",
    "it": "sig sigg sigra sig.ra sig.na dott dott.ssa ing avv arch geom rag on prof prof.ssa "
    "mons p es ecc pag pagg art cap fig vol tel gen febb apr giu lug ago sett ott nov dic",
    "pt": "sr sra srs sras srta dr dra d eng prof profa av r pça pág págs ex art cap fig vol núm "
    "tel jan fev abr mai jun jul ago set out nov dez",
    "nl": "dhr mevr mw mej ir drs ds mr ing prof bv bijv blz nr nrs art enz evt incl excl ca "
    "resp zgn d.w.z o.a m.b.t t.o.v jan feb mrt apr jun jul aug sept okt nov dec",
    "ru": "г гг ул пр пл д кв стр рис гл ст т тт тыс млн млрд руб коп им проф акад доц тов гр обл "
    "напр см ср др пр р в вв н.э т.е т.д т.п т.к",
    "uk": "м вул пр пл буд кв стор рис гл ст тис млн млрд грн ім проф акад доц обл див напр р рр",
    "pl": "p pp pan prof dr hab inż mgr lek ks bp abp al ul pl os tzw tzn np m.in itd godz min nr "
    "str rys tab wg ok ur zm tys mln mld św r w",
    "cs": "p pí sl ing mgr bc mudr judr phdr rndr doc prof tzv tj např apod atd mj str obr č čl "
    "tel ul nám sv tis mil mld r hod min",
    "sk": "p ing mgr mudr judr doc prof tzv t.j napr str obr č čl tel ul nám sv tis mil r",
    "sv": "t.ex bl.a d.v.s dvs fr o.s.v s.k m.m m.fl ca kl nr st tel jan feb apr aug sept okt nov "
    "dec resp inkl exkl",
    "da": "bl.a f.eks fx dvs d.v.s m.m osv ca kl nr st tlf hr fr frk jan feb apr aug sept okt nov",
    "no": "bl.a f.eks dvs m.m osv ca kl nr st tlf hr fr jan feb apr aug sept okt nov",
    "fi": "esim mm ns ks vrt nk n klo puh tri prof os em po mrs",
    "hu": "pl ún ill kb stb dr prof id ifj özv u tel sz old ld vö",
    "ro": "dl dna dra dlui str nr bd bl sc ap et tel pag art cap fig lei ex",
    "tr": "sn dr prof doç av müh öğr vb vs bkz örn sf cad sok mah no tel",
    "el": "κ κα κος δρ καθ π.χ κ.λπ κ.ά δηλ βλ σελ αρ τηλ",
    "bg": "г гр ул бул пл пр стр фиг гл чл проф акад доц инж др т.е т.н напр",
    "hr": "g gđa gđica dr mr sc prof doc inž tzv tj npr itd str sl br čl ul tel god st",
    "ca": "sr sra srs dr dra av c núm pàg pàgs art cap fig tel p.ex",
}


@cache
def of_language(tag: str) -> frozenset[str]:
    """Casefolded abbreviations of a language ("de", "de-AT"); of several for one unknown."""
    primary = tag.casefold().replace("_", "-").partition("-")[0]
    primary = {"nb": "no", "nn": "no", "sr": "hr", "bs": "hr"}.get(primary, primary)
    listed = _WORDS.get(primary)
    if listed is None:
        listed = _WORDS["en"] if not primary else ""
    return words(f"{_COMMON} {listed}".casefold())
