"""The one normal form of a line of text, used for cleaning, for tokenizer training and for use.

A model must see at translation time what it saw in training, so the tokenizer applies this
function to every line, and ``decode(encode(line)) == normalise(line)`` holds for any line.

Unicode NFC (UAX #15) is used and not NFKC: NFKC would turn "20 m²" into "20 m2".
"""

import re
import unicodedata

# Not white space for `str.split`, but invisible: soft hyphen, zero-width space, word joiner,
# byte order mark. The zero-width (non-)joiners stay, some scripts spell with them.
_INVISIBLE = {0x00AD: None, 0x200B: None, 0x2060: None, 0xFEFF: None}
# C0 and C1 controls without those that `str.split` takes for white space.
_CONTROLS = {code: None for code in (*range(0x20), *range(0x7F, 0xA0)) if not chr(code).isspace()}
# SentencePiece writes a space as U+2581; in a text it cannot be told from one.
_MARK = {0x2581: " "}
_TABLE = {**_INVISIBLE, **_CONTROLS, **_MARK}
_SURROGATE = re.compile("[\ud800-\udfff]")
_CONTROL = re.compile("[" + "".join(map(re.escape, map(chr, sorted(_CONTROLS)))) + "]")


def normalise(text: str) -> str:
    """Give ``text`` in NFC, without control characters, with single spaces only between words."""
    text = _SURROGATE.sub("\ufffd", text).translate(_TABLE)
    return unicodedata.normalize("NFC", " ".join(text.split()))


def has_control(text: str) -> bool:
    """Tell whether ``text`` holds a control character which is not white space."""
    return _CONTROL.search(text) is not None
