"""Word documents (docx): paragraphs of the body, headers, footers, notes and comments.

Word divides text into runs, often for no reason that a reader sees. Neighbouring runs of the same
format are one; the format most of a paragraph has is its ground, other formats are inline
elements in it. A paragraph that is not translated keeps its runs as they are.
"""

import re
from typing import Final

from aliad.documents.document import Part
from aliad.documents.package import Package, open_package
from aliad.documents.pieces import Raw, RawBuilder
from aliad.documents.tags import Kind
from aliad.documents.word_paragraph import ParagraphReader
from aliad.documents.xml import Tree, copy_with
from aliad.errors import InputError

_TYPES: Final = "[Content_Types].xml"
_READ: Final = re.compile(
    r"(?:wordprocessingml|ms-word)\."
    r"(document\.main|document\.macroEnabled\.main|template\.main|header|footer|footnotes|endnotes"
    r"|comments)\+xml"
)
_OVERRIDE = re.compile(r"<(?:\w+:)?Override\b[^>]*>")
_NAME = re.compile(r"PartName\s*=\s*[\"']/?([^\"']+)[\"']")
_TYPE = re.compile(r"ContentType\s*=\s*[\"']([^\"']+)[\"']")
_NAMESPACES: Final = {
    "http://schemas.openxmlformats.org/wordprocessingml/2006/main": "w",
    "http://purl.oclc.org/ooxml/wordprocessingml/main": "w",
    "http://schemas.openxmlformats.org/officeDocument/2006/math": "m",
    "http://purl.oclc.org/ooxml/officeDocument/math": "m",
    "http://schemas.openxmlformats.org/markup-compatibility/2006": "mc",
}


def read_word(data: bytes, what: str) -> tuple[Package, list[Part]]:
    """The package and its texts, the body first. Raises InputError if it is none or damaged."""
    package = open_package(data, what, "docx")
    names = _texts(package)
    if not names:
        raise InputError(
            f"{what} is not a Word document.",
            "It is a zip archive that declares no text of a Word document.",
            "Save it as .docx again, or name its kind with --format.",
        )
    parts = []
    for name in names:
        label = f"{what} ({name})"
        tree = Tree(package.files[name], label, _NAMESPACES)
        parts.append(Part(name, _Reader(tree, label).copy(0, len(tree.tokens)), tree.encoding))
    return package, parts


def _texts(package: Package) -> list[str]:
    types = package.files.get(_TYPES, b"").decode("utf-8", "replace")
    found: list[tuple[int, str]] = []
    for override in _OVERRIDE.findall(types):
        name, kind = _NAME.search(override), _TYPE.search(override)
        read = _READ.search(kind[1]) if kind else None
        if name and read and name[1] in package.files:
            found.append((0 if read[1].endswith("main") else 1, name[1]))
    mains = [name for rank, name in found if rank == 0]
    return mains + sorted(name for rank, name in found if rank) if mains else []


class _Reader:
    def __init__(self, tree: Tree, what: str) -> None:
        self._tree = tree
        self._paragraphs = ParagraphReader(tree, what, self.copy)

    def copy(self, start: int, stop: int) -> Raw:
        """The source of tokens, their paragraphs as blocks."""
        return copy_with(self._tree, start, stop, self._visit)

    def _visit(self, index: int, out: RawBuilder) -> int | None:
        tree = self._tree
        if tree.names[index] != "w:p" or tree.tokens[index].kind is not Kind.START:
            return None
        out.add(tree.tokens[index].raw)
        self._paragraphs.read(index, out)
        out.add(tree.tokens[tree.ends[index]].raw)
        return tree.after(index)
