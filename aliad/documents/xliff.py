"""XLIFF 1.2 and 2.x: each unit's source is translated into its target.

A target that has content stays, unless its state says that it is still to be translated. Inline
codes are markup; what stands between the tags of ph, bpt, ept and it is another format's code.
"""

from typing import Final

from aliad.documents.document import Part
from aliad.documents.inline import tagged_pieces
from aliad.documents.pieces import (
    Block,
    Close,
    Keep,
    Open,
    Piece,
    Raw,
    RawBuilder,
    Void,
)
from aliad.documents.tags import Kind, attribute, escape_text, escape_value
from aliad.documents.xml import XML_STYLE, Tree, copy_with, unescape
from aliad.errors import InputError

_NAMESPACES: Final = {
    "urn:oasis:names:tc:xliff:document:1.1": "",
    "urn:oasis:names:tc:xliff:document:1.2": "",
    "urn:oasis:names:tc:xliff:document:2.0": "",
    "urn:oasis:names:tc:xliff:document:2.1": "",
    "urn:oasis:names:tc:xliff:document:2.2": "",
}
_PAIRED: Final = frozenset({"g", "mrk", "pc"})
_UNITS: Final = frozenset({"trans-unit", "segment"})
_OPEN_STATES: Final = frozenset({"new", "needs-translation", "initial"})


def read_xliff(data: bytes, what: str, language: str) -> Part:
    """The file's targets as blocks. `language` is declared where the file names no target."""
    tree = Tree(data, what, _NAMESPACES)
    root = next(
        (name for name, token in zip(tree.names, tree.tokens, strict=True) if token.name), ""
    )
    if root != "xliff":
        raise InputError(
            f"{what} is not an XLIFF file.",
            f"Its root element is <{root}>, not <xliff>.",
            "Check the file, or name its kind with --format.",
        )
    reader = _Reader(tree, what, language)
    return Part("", copy_with(tree, 0, len(tree.tokens), reader.visit), tree.encoding)


class _Reader:
    def __init__(self, tree: Tree, what: str, language: str) -> None:
        self._tree = tree
        self._what = what
        self._language = language

    def visit(self, index: int, out: RawBuilder) -> int | None:
        """Write what is not simply copied; give the token to go on with."""
        tree = self._tree
        token, name = tree.tokens[index], tree.names[index]
        if not tree.is_start(index):
            return None
        if name in ("file", "xliff") and self._language:
            out.add(self._declared(index))
            return index + 1
        if attribute(token, "translate") == "no" and name != "mrk":
            out.add(tree.raw(index, tree.after(index)))
            return tree.after(index)
        if name in _UNITS and token.kind is Kind.START:
            self._unit(index, out)
            return tree.after(index)
        return None

    def _declared(self, index: int) -> str:
        token, name = self._tree.tokens[index], self._tree.names[index]
        two = (attribute(token, "version") or "").startswith("2")
        wanted = "target-language" if name == "file" else "trgLang"
        applies = attribute(token, "original" if name == "file" else "srcLang") is not None
        if not applies or (name == "xliff" and not two) or attribute(token, wanted) is not None:
            return token.raw
        end = -2 if token.raw.endswith("/>") else -1
        value = escape_value('"')(self._language)
        return f'{token.raw[:end].rstrip()} {wanted}="{value}"{token.raw[end:]}'

    def _unit(self, index: int, out: RawBuilder) -> None:
        """Write a unit: all of it, with a target."""
        tree = self._tree
        inside = {tree.names[child]: child for child in reversed(tree.children(index))}
        source, target = inside.get("source"), inside.get("target")
        end = tree.ends[index] + 1
        if source is None or tree.ends[source] == source or not tree.inner(source).strip():
            out.add(tree.raw(index, end))
            return
        block = Block(tuple(self._pieces(source)), (tree.inner(source),), XML_STYLE)
        prefix = tree.tokens[source].name.removesuffix("source")
        if target is None:
            behind = tree.ends[source] + 1
            # The target's line begins like the source's.
            before = tree.tokens[source - 1]
            space = before.raw if before.kind is Kind.TEXT and not before.raw.strip() else ""
            out.add(tree.raw(index, behind), space, f"<{prefix}target>", block)
            out.add(f"</{prefix}target>", tree.raw(behind, end))
        elif self._is_open(index, target):
            tag = tree.tokens[target].raw
            if tree.ends[target] == target:
                tag = tag.removesuffix("/>").rstrip() + ">"
            out.add(tree.raw(index, target), tag, block, f"</{prefix}target>")
            out.add(tree.raw(tree.ends[target] + 1, end))
        else:
            out.add(tree.raw(index, end))

    def _is_open(self, unit: int, target: int) -> bool:
        tree = self._tree
        if not tree.inner(target).strip():
            return True
        state = attribute(tree.tokens[target], "state") or attribute(tree.tokens[unit], "state")
        return state in _OPEN_STATES

    def _pieces(self, index: int) -> list[Piece]:
        tree = self._tree
        pieces: list[Piece] = []
        run: list[str] = []

        def flush() -> None:
            pieces.extend(tagged_pieces("".join(run), escape_text, columns=False))
            run.clear()

        for child in tree.children(index):
            token, name = tree.tokens[child], tree.names[child]
            raw: Raw = (tree.raw(child, tree.after(child)),)
            if token.kind is Kind.TEXT:
                run.append(unescape(token.raw, self._what))
                continue
            flush()
            kept = attribute(token, "mtype") == "protected" if token.name else False
            if token.name and (kept or attribute(token, "translate") == "no"):
                pieces.append(Keep(raw))
            elif name in _PAIRED and token.kind is Kind.START:
                pieces.append(Open((token.raw,), name))
                pieces += self._pieces(child)
                pieces.append(Close((tree.tokens[tree.ends[child]].raw,), name))
            else:
                pieces.append(Void(raw))
        flush()
        return pieces
