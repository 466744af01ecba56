"""Where sentences end, in several languages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aliad.documents.sentences import LONGEST, split_sentences

CASES = [
    ("en", "Dr. Smith met J. R. Green at 5 p.m. on Monday. | He left."),
    ("en", "See fig. 3 and No. 5. | It costs $3.50. | Really?! | Yes."),
    ("en", 'He said "No." | "Why?" | she asked.'.replace(" | she", " she")),
    ("en", "In the U.S. Army, e.g. Berlin, it was 1990. | The war (see p. 4) ended... and then."),
    ("de", "Am 3. Oktober kam Hr. Müller, z. B. mit Dr. Meier. | Er blieb."),
    ("de", "Er wurde 1990 geboren. | Seither usw. bzw. Ähnliches. | »Ja!« | Gut."),
    ("fr", "M. Dupont arrive à 10 h. | « Bonjour ! » | Il part."),
    ("es", "¿Cómo está el Sr. Gómez? | ¡Bien! | Gracias."),
    ("ru", "Он родился в 1990 г. в Москве. | Потом уехал."),
    ("zh", "这是第一句。|“第二句！”|第三句？"),
    ("ja", "これは本です。|「はい。」|終わり"),
    ("hi", "यह एक किताब है। | वह पढ़ता है।"),
    ("ar", "هل أنت بخير؟ | نعم."),
    ("hy", "Սա գիրք է։ | Այո։"),
    ("", "Mr. Jones came. | He sat."),
]


@pytest.mark.parametrize(("language", "marked"), CASES)
def test_sentences(language: str, marked: str) -> None:
    wanted = [part.strip() for part in marked.split("|")]
    text = marked.replace(" | ", " ").replace("|", "")
    assert [text[a:b] for a, b in split_sentences(text, language)] == wanted


@given(
    text=st.text(alphabet="ab AB.!?。 \n\"')1", max_size=200),
    breaks=st.lists(st.integers(0, 200), max_size=4),
    language=st.sampled_from(["en", "de", "ja", ""]),
)
def test_nothing_is_lost(text: str, breaks: list[int], language: str) -> None:
    spans = split_sentences(text, language, breaks)
    place = 0
    for start, end in spans:
        assert not text[place:start].strip()
        assert text[start:end] == text[start:end].strip() != ""
        assert not any(start < cut < end for cut in breaks)
        place = end
    assert not text[place:].strip()


def test_a_text_without_stops_is_cut_at_clauses() -> None:
    text = "word word word, " * 200
    spans = split_sentences(text, "en")
    assert all(end - start <= LONGEST for start, end in spans)
    assert all(text[end - 1] == "," for _, end in spans)
    assert " ".join(text[a:b] for a, b in spans) == text.strip()
