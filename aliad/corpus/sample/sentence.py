"""A sentence in both languages."""

Sentence = tuple[str, str]
"""English and German."""


def write(english: str, german: str, end: str) -> Sentence:
    """Write both sides with a capital letter first and ``end`` last."""
    return _capital(english) + end, _capital(german) + end


def _capital(words: str) -> str:
    return words[0].upper() + words[1:]
