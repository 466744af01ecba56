"""SubRip subtitles (srt): numbers and times stay, each cue is translated by itself.

Lines of a cue that begin with a dash are spoken by different people and are translated apart.
"""

import re
from typing import Final

from aliad.documents.inline import tagged_pieces
from aliad.documents.pieces import Block, Raw, RawBuilder
from aliad.errors import InputError

_TIME = r"\d{1,3}:\d{1,2}:\d{1,2}(?:[,.]\d{1,3})?"
_CUE: Final = re.compile(rf"[ \t]*{_TIME}[ \t]*-->[ \t]*{_TIME}[^\r\n]*(?:\r?\n|\Z)")
_SPEAKER: Final = re.compile(r"(?:(?:[-–—][ \t]*)|>>[ \t]*)(?=\S)")
_LINE = re.compile(r"[^\n]*\n|[^\n]+\Z")


def read_subtitles(text: str, what: str) -> Raw:
    """The cues' text as blocks. Raises InputError if there is no cue."""
    out = RawBuilder()
    cues = 0
    cue: list[str] = []
    inside = False
    for match in _LINE.finditer(text):
        line = match[0]
        if _CUE.match(line):
            inside, cues = True, cues + 1
            # Without an empty line before it, what was read last is the cue's number, not text.
            _write(cue[:-1], out)
            out.add(*cue[-1:], line)
            cue = []
        elif not inside:
            out.add(line)
        elif not line.strip():
            _write(cue, out)
            out.add(line)
            cue, inside = [], False
        else:
            cue.append(line)
    _write(cue, out)
    if not cues and text.strip():
        raise InputError(
            f"{what} holds no subtitles.",
            'No line looks like "00:00:01,000 --> 00:00:02,500".',
            "Check that it is a SubRip file, or name its kind with --format.",
        )
    return out.done()


def _write(cue: list[str], out: RawBuilder) -> None:
    start = 0
    for stop in range(1, len(cue) + 1):
        if stop == len(cue) or _SPEAKER.match(cue[stop]):
            text = "".join(cue[start:stop])
            body = text.rstrip()
            speaker = _SPEAKER.match(body)
            begin = speaker.end() if speaker else 0
            block = Block(tuple(tagged_pieces(body[begin:])), (body[begin:],))
            out.add(body[:begin], block, text[len(body) :])
            start = stop
