"""OpenDocument text (odt): paragraphs and headings of content.xml and styles.xml."""

from typing import Final

from aliad.documents.document import Part
from aliad.documents.package import Package, open_package
from aliad.documents.pieces import (
    Block,
    Break,
    Close,
    Keep,
    Open,
    Piece,
    Raw,
    RawBuilder,
    Soft,
    Void,
    has_letters,
)
from aliad.documents.tags import Kind
from aliad.documents.xml import XML_STYLE, Tree, copy_with, text_pieces
from aliad.errors import InputError

_OASIS: Final = "urn:oasis:names:tc:opendocument:xmlns:"
_NAMESPACES: Final = {
    f"{_OASIS}{name}:1.0": prefix
    for name, prefix in (
        ("text", "text"),
        ("office", "office"),
        ("drawing", "draw"),
        ("presentation", "presentation"),
    )
}
_PARTS: Final = ("content.xml", "styles.xml")  # the second holds headers and footers
_PARAGRAPHS: Final = frozenset({"text:p", "text:h"})
_INLINE: Final = frozenset({"text:span", "text:a", "text:meta", "text:ruby", "text:ruby-base"})
_BREAKS: Final = frozenset({"text:tab", "text:line-break"})
_SKIPPED: Final = frozenset(
    {"text:tracked-changes", "office:annotation", "text:note-citation", "office:scripts"}
)
# Fields whose content the program computes.
_MARKS: Final = ("text:bookmark", "text:reference-mark", "text:change", "text:soft-page-break")


def read_opendocument(data: bytes, what: str) -> tuple[Package, list[Part]]:
    """The package and its texts. Raises InputError if it is none, damaged or locked."""
    package = open_package(data, what, "odt")
    kind = package.files.get("mimetype", b"")
    if not kind.startswith(b"application/vnd.oasis.opendocument.") or _PARTS[0] not in (
        package.files
    ):
        raise InputError(
            f"{what} is not an OpenDocument file.",
            "It is a zip archive without the files that make one.",
            "Save it as .odt again, or name its kind with --format.",
        )
    if b"encryption-data" in package.files.get("META-INF/manifest.xml", b""):
        raise InputError(
            f"{what} is locked with a password.",
            "Its manifest says that its content is encrypted.",
            "Save it without a password.",
        )
    parts = []
    for name in _PARTS:
        if name in package.files:
            label = f"{what} ({name})"
            tree = Tree(package.files[name], label, _NAMESPACES)
            reader = _Reader(tree, label)
            parts.append(Part(name, reader.copy(0, len(tree.tokens)), tree.encoding))
    return package, parts


class _Reader:
    def __init__(self, tree: Tree, what: str) -> None:
        self._tree = tree
        self._what = what

    def copy(self, start: int, stop: int) -> Raw:
        """The source of tokens, their paragraphs as blocks."""
        return copy_with(self._tree, start, stop, self._visit)

    def _visit(self, index: int, out: RawBuilder) -> int | None:
        tree = self._tree
        name = tree.names[index]
        if tree.tokens[index].kind is not Kind.START:
            return None
        if name in _SKIPPED:
            out.add(tree.raw(index, tree.after(index)))
            return tree.after(index)
        if name in _PARAGRAPHS:
            raw = RawBuilder()
            pieces = self._pieces(index, raw)
            block = Block(tuple(pieces), raw.done(), XML_STYLE)
            if has_letters(pieces) or any(isinstance(part, Block) for part in block.raw):
                out.add(tree.tokens[index].raw, block)
            else:
                out.add(tree.tokens[index].raw, *block.raw)
            out.add(tree.tokens[tree.ends[index]].raw)
            return tree.after(index)
        return None

    def _pieces(self, index: int, raw: RawBuilder) -> list[Piece]:
        """The pieces of an element's content; `raw` gets its source, with the same blocks."""
        tree = self._tree
        pieces: list[Piece] = []
        for child in tree.children(index):
            token, name = tree.tokens[child], tree.names[child]
            if name in _INLINE and token.kind is Kind.START:
                closing = tree.tokens[tree.ends[child]].raw
                pieces.append(Open((token.raw,), name))
                raw.add(token.raw)
                pieces += self._pieces(child, raw)
                pieces.append(Close((closing,), name))
                raw.add(closing)
                continue
            whole: Raw = (tree.raw(child, tree.after(child)),)
            if token.kind is Kind.TEXT:
                pieces += text_pieces(token.raw, self._what)
            elif name == "text:s":
                pieces.append(Soft(tree.raw(child, tree.after(child))))
            elif name in _BREAKS:
                pieces.append(Break(whole))
            elif name.startswith("text:") and self._is_field(child):
                pieces.append(Keep(whole))
            else:
                whole = self.copy(child, tree.after(child))
                pieces.append(Void(whole))
            raw.add(*whole)
        return pieces

    def _is_field(self, index: int) -> bool:
        tree = self._tree
        name = tree.names[index]
        if name == "text:note" or name.startswith(_MARKS) or tree.ends[index] == index:
            return False
        return bool(tree.inner(index).strip())
