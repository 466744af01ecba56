"""What a translation must repeat as it is: addresses, placeholders, identifiers, codes, tags."""

import re
from typing import Final

from aliad.documents.pieces import OBJECT

Span = tuple[int, int]

_PATTERNS: Final = (
    OBJECT,
    # URLs and e-mail addresses; a mark that ends the sentence does not belong to them
    r"\b(?:https?|ftps?|file|git|ssh|magnet|mailto|tel|data)://?[^\s<>\"'{}|\\^`]*"
    r"[^\s<>\"'{}|\\^`.,;:!?)\]…。、，]",
    r"\bwww\.[^\s<>\"'{}|\\^`]*[^\s<>\"'{}|\\^`.,;:!?)\]…。、，]",
    r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}",
    # {{name}}, ${name}, #{name}, {0}, {name:>8}, {count, plural, one {...} other {...}}
    r"\{\{[^{}\n]{0,200}\}\}",
    r"[$#%]?\{\w+,\s*(?:plural|select|selectordinal|number|date|time|choice)\b"
    r"(?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\}){0,2000}\}",
    r"[$#%]?\{[^\s{}]{0,100}\}",
    # %s, %1$s, %-5.2f, %(name)s, %@, %%; not "100 % sure"
    r"%(?:\(\w+\)|\d+\$)?[-+0#]{0,5}\d{0,4}(?:\.\d{1,4})?(?:hh|h|ll|l|L|q|j|z|t)?"
    r"[diouxXeEfFgGaAcspn@](?![^\W\d_])",
    r"%%|%\w{2,40}%",
    r"\$[A-Za-z_]\w{0,60}|\$\(\w{1,60}\)",
    # markup that stands in plain text
    r"</?[A-Za-z][^<>\n]{0,500}>|&(?:[A-Za-z]\w{1,30}|#\d{1,7}|#[xX][0-9A-Fa-f]{1,6});",
    # names of programs: snake_case, paths, options, calls, mentions
    r"(?<![\w/<])(?:~|\.{1,2})?/(?:[\w.+-]+/)*[\w.+-]*\w|\b[A-Za-z]:\\[\w.\\+-]*\w",
    r"(?<!\S)--?[A-Za-z][\w-]{1,60}(?:=\S{1,100})?(?=\s|$)",
    r"\b\w+(?:_\w+)+(?:\(\))?|\b[A-Za-z]\w{0,60}(?:\.\w{1,60}){0,6}\(\)|\b[A-Za-z]\w*::\w[\w:]*",
    r"(?<![\w@])[@#][A-Za-z_]\w{1,60}",
    # codes, versions, hashes, telephone numbers and dates in digits
    r"\b[A-Z]{1,6}-?\d{2,}[A-Z0-9-]*\b|\b0x[0-9A-Fa-f]+\b|\bv?\d+(?:\.\d+){2,}\b",
    r"\b(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{8,64}\b",
    r"(?<![\w+])(?=[+(]|\d+[ /-])\+?\(?\d{1,5}\)?(?:[ /-]?\(?\d{2,5}\)?){2,6}(?![\w.,]?\d)",
    # pictographs, with their modifiers
    r"[\U0001F1E6-\U0001FAFF\u2600-\u27BF]"
    r"[\U0001F3FB-\U0001F3FF\uFE0F\u200D\U0001F1E6-\U0001FAFF\u2600-\u27BF]*",
)
_PROTECTED: Final = re.compile("|".join(f"(?:{pattern})" for pattern in _PATTERNS))


def protected_spans(text: str, breaks: frozenset[int] = frozenset()) -> list[Span]:
    """The stretches of `text` to keep, in order; none reaches across one of `breaks`."""
    spans: list[Span] = []
    start = 0
    for stop in sorted({*breaks, len(text)}):
        spans += [match.span() for match in _PROTECTED.finditer(text, start, stop)]
        start = stop
    return spans
