"""Documents of 200 sentences in every format, with all the structure that the format has.

Sentences come in groups of ten; `GROUPS` of them make a document, each group in another dress.
"""

import io
import zipfile
from collections.abc import Callable

from docx import Document as WordDocument
from docx.oxml import OxmlElement
from docx.oxml.ns import qn

from aliad.documents.opening import Format

GROUPS = 20
SENTENCES = 10 * GROUPS

_THINGS = ["dog", "house", "river", "book", "teacher", "garden", "train", "letter", "bridge", "cat"]
_DEEDS = ["waits for", "looks at", "belongs to", "remembers", "reaches", "needs", "follows"]


def sentence(number: int) -> str:
    """A sentence that no other number has."""
    one, other = _THINGS[number % 10], _THINGS[(number // 10 + 3) % 10]
    return f"The {one} of row {number + 20} {_DEEDS[number % 7]} the old {other}."


def group(number: int) -> list[str]:
    """The ten sentences of a group."""
    return [sentence(10 * number + i) for i in range(10)]


def wrapped(text: str, width: int, joint: str = "\n") -> str:
    """Words in lines of at most `width`."""
    lines = [""]
    for word in text.split(" "):
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append("")
        lines[-1] += (" " if lines[-1] else "") + word
    return joint.join(lines)


def text() -> bytes:
    """Headings, wrapped paragraphs, quotes, lists, columns, rulers; Windows line ends."""
    out = []
    for number in range(GROUPS):
        s = group(number)
        out.append(f"{s[0]}\n===========\n\n{wrapped(' '.join(s[1:5]), 70)}\n")
        out.append(f"> {wrapped(s[5], 70, chr(10) + '> ')}\n\n  - {s[6]}\n  - {s[7]}\n")
        out.append(f"3. {s[8]}\t17.50\n\n\n{s[9]}   \n\n")
    return b"\xef\xbb\xbf" + "\n".join(out).replace("\n", "\r\n").encode()


def markdown() -> bytes:
    """Front matter, headings, emphasis, links, lists, quotes, tables, code, HTML."""
    out = ["---\ntitle: kept\n---\n"]
    for number in range(GROUPS):
        s = group(number)
        word = s[2].split(" ")
        out.append(f"## {s[0]}\n\n{s[1]}\n---\n\nUse\n".replace("Use\n", ""))
        out.append(
            f"{word[0]} **{word[1]} _{word[2]}_** {' '.join(word[3:6])} "
            f'[{word[6]} {word[7]}](https://example.org/a_b "T") {" ".join(word[8:])}\n{s[3]}\n'
        )
        out.append(
            f"> {s[4]}\n> > {s[5]}\n\n1. {s[6]}\n   - [x] {s[7]}\n\n     ```py\n     x = 1\n"
        )
        out.append(f"     ```\n\n| a |  |\n|---|:-:|\n| {s[8]} | `code` |\n\n[ref]: /x 'T'\n")
        out.append(f"<div class='x'><i>{s[9]}</i></div>\n\n    indented code\n\n***\n")
    return "\n".join(out).replace("| a |", "| 1 |").encode()


def web() -> bytes:
    """A page with everything between its tags, unclosed and crossing ones too."""
    out = [
        "<!DOCTYPE html>\n<html lang=en><head><meta charset='utf-8'>\n",
        "<style>p > b { color: red }</style><script>if (a < b) { x('<p>No.</p>') }</script></head>",
    ]
    for number in range(GROUPS):
        s = group(number)
        word = s[2].split(" ")
        out.append(f"<h2 id=h{number}>{s[0]}</h2>\n<!-- <p>kept</p> -->\n<p>{s[1]}\n")
        out.append(
            f"<p class='a'>{word[0]} <b>{word[1]} <i>{word[2]}</i></b>\n\t{' '.join(word[3:6])}"
            f" <a href='?a=1&amp;b=2' title='{s[3]}'>{' '.join(word[6:8])}</a> {' '.join(word[8:])}"
            f"<br/>\n{s[4]}</p>"
        )
        out.append(f"<ul><li>{s[5]}<li><b>{s[6]}</b></ul><pre>kept <b>too</b></pre>")
        out.append(f"<table><tr><td>{s[7]}</td><td><img src=x alt='{s[8]}'></td></tr></table>")
        out.append(f"<div>\n  {s[9]} <code>f(x)</code>\n</div>")
    return "".join([*out, "</body></html>"]).encode()


def subtitles() -> bytes:
    """Cues of one and two lines, two speakers, tags and positions."""
    out = []
    for number in range(GROUPS):
        s = group(number)
        bodies = [
            wrapped(s[0], 30),
            f"<i>{s[1]}</i>",
            f"{{\\an8}}{s[2]}",
            f"- {s[3]}\n- {s[4]}",
            f"{s[5]}\n{s[6]}",
            f'<font color="#ffff00">{wrapped(s[7], 30)}</font>',
            s[8],
            s[9],
        ]
        for i, body in enumerate(bodies):
            cue = 8 * number + i
            time = f"00:{cue // 60:02}:{cue % 60:02}"
            out.append(f"{cue + 1}\n{time},000 --> {time},900\n{body}\n\n")
    return "".join(out).encode("utf-16-le").join([b"\xff\xfe", b""])


def gettext() -> bytes:
    """Comments, contexts, plurals, several lines, tags; done and obsolete entries."""
    out = ['msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=UTF-8\\n"\n']
    for number in range(GROUPS):
        s = group(number)
        word = s[2].split(" ")
        for i in (0, 1):
            out.append(
                f'#. kept\n#: src/{i}.c:{number}\nmsgctxt "m{i}"\nmsgid "{s[i]}"\nmsgstr ""\n'
            )
        tagged = f'<b class=\\"x\\">{" ".join(word[:3])}</b> {" ".join(word[3:])}'
        out.append(f'#, c-format\nmsgid "{tagged} %1$s"\nmsgstr ""\n')
        out.append(
            f'msgid "{s[3]}"\nmsgid_plural "p{s[3]}"\nmsgstr[0] ""\nmsgstr[1] "done %d"\n\n'
            f'msgid "x{s[3]}"\nmsgid_plural "{s[4]}"\nmsgstr[0] "done"\nmsgstr[1] ""\n'
        )
        out.append(f'msgid ""\n"{s[5]}\\n"\n"\\n"\n"{s[6][:20]}"\n"{s[6][20:]}"\nmsgstr ""\n')
        out.append(
            f'msgid "{s[7]}"\nmsgstr ""\n\nmsgid "{s[8]}"\nmsgstr ""\n\n'
            f'#~ msgid "o"\n#~ msgstr "p"\n'
        )
        out.append(
            f'msgid "{s[9]}\\t{{name}}"\nmsgstr ""\n\n#, fuzzy\nmsgid "f{number}"\nmsgstr ""\n'
        )
    return "\n".join(out).encode()


def xliff() -> bytes:
    """Version 1.2 with inline codes, done and locked units."""
    out = [
        "<?xml version='1.0' encoding='UTF-8'?>\n<xliff version='1.2' "
        "xmlns='urn:oasis:names:tc:xliff:document:1.2'><file original='a' source-language='en' "
        "target-language='de' datatype='plaintext'><body>\n"
    ]
    for number in range(GROUPS):
        out.append(f"<group id='g{number}'>")
        for i, text in enumerate(group(number)):
            word = text.split(" ")
            source, target = text, ""
            if i == 1:
                source = f"<g id='1'>{word[0]} <g id='2'>{word[1]}</g></g> {' '.join(word[2:])}"
            elif i == 2:
                source = f"{' '.join(word[:4])}<x id='1'/> {' '.join(word[4:])}"
            elif i == 3:
                source = f"<bpt id='1'>&lt;b&gt;</bpt>{text}<ept id='1'>&lt;/b&gt;</ept>"
            elif i == 4:
                source = f"&lt;b&gt;{text}&lt;/b&gt;"
            elif i == 5:
                target = "<target/>"
            elif i == 6:
                target = "<target state='needs-translation'>x</target>"
            out.append(
                f"<trans-unit id='{number}.{i}'>\n  <source>{source}</source>\n  {target}"
                f"<note>kept &amp; sound</note>\n</trans-unit>\n"
            )
        out.append("<trans-unit id='d'><source>Done.</source><target>Fertig.</target></trans-unit>")
        out.append(
            "<trans-unit id='l' translate='no'><source>Locked.</source></trans-unit></group>"
        )
    return "".join([*out, "</body></file></xliff>"]).encode()


def word() -> bytes:
    """Headings, formats, links, lists, tables, a header and a footer, breaks and tabs, fields."""
    document = WordDocument()
    section = document.sections[0]
    for number in range(GROUPS):
        s = group(number)
        parts = s[2].split(" ")
        document.add_heading(s[0], 2)
        if number:
            document.add_paragraph(s[1])
        else:
            section.header.paragraphs[0].text = s[1]
        paragraph = document.add_paragraph(f"{parts[0]} ")
        paragraph.add_run(f"{parts[1]} ").bold = True
        paragraph.add_run(parts[2][:1])
        paragraph.add_run(f"{parts[2][1:]} {' '.join(parts[3:])}").add_break()
        link = OxmlElement("w:hyperlink")
        link.set(qn("w:anchor"), "there")
        run = paragraph.add_run(s[3])
        run.italic = True
        link.append(run._r)
        paragraph._p.append(link)
        table = document.add_table(2, 2)
        for i in range(4):
            table.cell(i // 2, i % 2).text = s[4 + i]
        document.add_paragraph(f"{s[8]}\t", style="List Bullet")
        document.add_paragraph(s[9]).add_run().add_picture(io.BytesIO(PIXEL))
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63f8cfc0"
    "000003010100c9fe92ef0000000049454e44ae426082"
)

_HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<office:{0} '
    'xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" '
    'xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0" '
    'xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0" '
    'xmlns:draw="urn:oasis:names:tc:opendocument:xmlns:drawing:1.0" '
    'xmlns:xlink="http://www.w3.org/1999/xlink">'
)


def opendocument() -> bytes:
    """Headings, spans, links, notes, lists, tables, frames, breaks and fields."""
    out = [_HEAD.format("document-content"), "<office:body><office:text>"]
    for number in range(GROUPS):
        s = group(number)
        w = s[2].split(" ")
        out.append(f'<text:h text:outline-level="1">{s[0]}</text:h><text:p/>')
        out.append(
            f'<text:p text:style-name="P1">{s[1]}<text:line-break/>{w[0]} <text:span '
            f'text:style-name="T1">{w[1]} <text:span text:style-name="T2">{w[2]}</text:span>'
            f'</text:span> {" ".join(w[3:])}<text:tab/><text:a xlink:href="#x">{s[3]}</text:a>'
            f"<text:note><text:note-citation>1</text:note-citation><text:note-body><text:p>{s[4]}"
            "</text:p></text:note-body></text:note></text:p>"
        )
        out.append(f"<text:list><text:list-item><text:p>{s[5]}</text:p></text:list-item>")
        out.append(
            f"</text:list><table:table><table:table-row><table:table-cell><text:p>{s[6]}"
            "</text:p></table:table-cell></table:table-row></table:table>"
        )
        out.append(
            "<text:p><draw:frame><draw:text-box>"
            f"<text:p>{s[7]}</text:p></draw:text-box></draw:frame></text:p>"
        )
        out.append(f"<text:p>{s[8]}<text:s/> <text:bookmark text:name='b'/>{s[9]}</text:p>")
    out.append("</office:text></office:body></office:document-content>")
    styles = f"{_HEAD.format('document-styles')}<office:master-styles/></office:document-styles>"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        kind = "application/vnd.oasis.opendocument.text"
        archive.writestr("mimetype", kind, zipfile.ZIP_STORED)
        archive.writestr("content.xml", "".join(out))
        archive.writestr("styles.xml", styles)
        archive.writestr("Pictures/p.png", PIXEL)
    return packed.getvalue()


SAMPLES: dict[Format, Callable[[], bytes]] = {
    Format.TEXT: text,
    Format.MARKDOWN: markdown,
    Format.HTML: web,
    Format.SUBTITLES: subtitles,
    Format.GETTEXT: gettext,
    Format.XLIFF: xliff,
    Format.WORD: word,
    Format.OPENDOCUMENT: opendocument,
}
