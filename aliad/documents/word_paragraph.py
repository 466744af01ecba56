"""One paragraph of a Word document as a block."""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from aliad.documents.pieces import (
    Block,
    Break,
    Close,
    Keep,
    Leaf,
    Open,
    Piece,
    Raw,
    RawBuilder,
    Style,
    Text,
    Void,
    has_letters,
)
from aliad.documents.tags import Kind, attribute, escape_text
from aliad.documents.xml import Tree, unescape

_WRAPPERS: Final = frozenset(
    {"w:hyperlink", "w:ins", "w:moveTo", "w:smartTag", "w:customXml", "w:dir", "w:bdo"}
)
_BREAKS: Final = frozenset({"w:tab", "w:br", "w:cr", "w:ptab"})
_COMPUTED: Final = frozenset({"m:oMath", "m:oMathPara", "w:fldSimple"})
# What the spelling checker and the last layout left; no longer true of another text.
_STALE: Final = frozenset({"w:proofErr", "w:lastRenderedPageBreak"})
_FIELD: Final = frozenset({"w:fldChar", "w:instrText", "w:delInstrText"})
# Differences of format that nobody sees.
_UNSEEN = re.compile(r"<\w+:(?:lang|noProof)\b[^>]*/>|\s+\w+:rsid\w*=\"[^\"]*\"")


@dataclass(frozen=True, slots=True)
class _Run:
    """Text in a format; `format` is the raw of w:rPr."""

    text: str
    format: str


@dataclass(slots=True)
class _Field:
    """A run that begins, divides or ends a field; where it is in the tokens."""

    kind: str
    instruction: str
    start: int
    raw: str


_Item = Piece | _Run | _Field


@dataclass(slots=True)
class _Content:
    """What is read of a paragraph: items, and its source with the same nested blocks."""

    items: list[_Item] = field(default_factory=list)
    raw: RawBuilder = field(default_factory=RawBuilder)


class ParagraphReader:
    """Reads paragraphs. `copy` gives the source of tokens with the paragraphs in it as blocks."""

    def __init__(self, tree: Tree, what: str, copy: Callable[[int, int], Raw]) -> None:
        self._tree = tree
        self._what = what
        self._copy = copy
        self._prefix: Final = tree.prefixes.get("w", "w")

    def read(self, index: int, out: RawBuilder) -> None:
        """Write the content of the paragraph that begins at `index`, its text as a block."""
        tree = self._tree
        children = tree.children(index)
        content = _Content()
        for child in children:
            if tree.names[child] == "w:pPr" and not content.items:
                out.add(tree.raw(child, tree.after(child)))
            else:
                self._child(child, content)
        items = self._without_fields(content.items)
        ground = _ground(items)
        pieces = self._pieces(items, ground)
        raw = content.raw.done()
        if has_letters(pieces) or any(isinstance(part, Block) for part in raw):
            out.add(Block(tuple(pieces), raw, Style(escape_text, escape_text, self._leaf(ground))))
        else:
            out.add(*raw)

    def _leaf(self, form: str) -> Leaf:
        w = f"{self._prefix}:" if self._prefix else ""
        return Leaf(f'<{w}r>{form}<{w}t xml:space="preserve">', f"</{w}t></{w}r>")

    def _child(self, index: int, content: _Content) -> None:
        tree = self._tree
        token, name = tree.tokens[index], tree.names[index]
        if name == "w:r" and token.kind is Kind.START:
            self._run(index, content)
        elif name in _WRAPPERS and token.kind is Kind.START:
            self._wrapper(index, index + 1, tree.ends[index], content)
        elif name == "w:sdt" and token.kind is Kind.START:
            inside = [c for c in tree.children(index) if tree.names[c] == "w:sdtContent"]
            if len(inside) == 1 and tree.tokens[inside[0]].kind is Kind.START:
                self._wrapper(index, inside[0] + 1, tree.ends[inside[0]], content)
            else:
                self._mark(index, content)
        elif name in _COMPUTED:
            raw: Raw = (tree.raw(index, tree.after(index)),)
            content.items.append(Keep(raw))
            content.raw.add(*raw)
        elif name in _STALE or token.kind is Kind.TEXT:
            content.raw.add(tree.raw(index, tree.after(index)))
        else:
            self._mark(index, content)

    def _wrapper(self, index: int, start: int, stop: int, content: _Content) -> None:
        tree = self._tree
        before, after = tree.raw(index, start), tree.raw(stop, tree.after(index))
        content.items.append(Open((before,), tree.names[index]))
        content.raw.add(before)
        place = start
        while place < stop:
            self._child(place, content)
            place = tree.after(place)
        content.items.append(Close((after,), tree.names[index]))
        content.raw.add(after)

    def _mark(self, index: int, content: _Content) -> None:
        raw = self._copy(index, self._tree.after(index))
        content.items.append(Void(raw))
        content.raw.add(*raw)

    def _run(self, index: int, content: _Content) -> None:
        tree = self._tree
        children = tree.children(index)
        names = {tree.names[child] for child in children}
        if names & _FIELD:
            raw = tree.raw(index, tree.after(index))
            content.items.append(self._field(children, index, raw))
            content.raw.add(raw)
            return
        content.raw.add(tree.tokens[index].raw)
        form = ""
        for child in children:
            token, name = tree.tokens[child], tree.names[child]
            raw_child: Raw = (tree.raw(child, tree.after(child)),)
            if name == "w:rPr":
                form = raw_child[0] if isinstance(raw_child[0], str) else ""
            elif name == "w:t":
                text = (
                    "".join(
                        unescape(tree.tokens[i].raw, self._what)
                        for i in tree.children(child)
                        if tree.tokens[i].kind is Kind.TEXT
                    )
                    if token.kind is Kind.START
                    else ""
                )
                content.items.append(_Run(text, form))
            elif name == "w:noBreakHyphen":
                content.items.append(_Run("\u2011", form))
            elif name in _STALE or token.kind is Kind.TEXT:
                pass
            else:
                raw_child = self._copy(child, tree.after(child))
                wrapped: Raw = (f"{tree.tokens[index].raw}{form}", *raw_child, self._run_end())
                content.items.append(Break(wrapped) if name in _BREAKS else Void(wrapped))
            content.raw.add(*raw_child)
        content.raw.add(tree.tokens[tree.ends[index]].raw)

    def _run_end(self) -> str:
        return f"</{self._prefix}:r>" if self._prefix else "</r>"

    def _field(self, children: list[int], index: int, raw: str) -> _Field:
        tree = self._tree
        kinds = [
            attribute(tree.tokens[child], f"{self._prefix}:fldCharType") or ""
            for child in children
            if tree.names[child] == "w:fldChar"
        ]
        instruction = "".join(
            unescape(tree.inner(child), self._what)
            for child in children
            if tree.names[child] == "w:instrText" and tree.tokens[child].kind is Kind.START
        )
        kind = "whole" if {"begin", "end"} <= set(kinds) else "".join(kinds[:1])
        return _Field(kind, instruction, index, raw)

    def _without_fields(self, items: list[_Item]) -> list[_Item]:
        """Fields within the paragraph as elements (links) or kept items; others as marks."""
        done: list[_Item] = []
        place = 0
        while place < len(items):
            item = items[place]
            if not isinstance(item, _Field):
                done.append(item)
                place += 1
                continue
            end = _field_end(items, place) if item.kind == "begin" else None
            if item.kind == "whole":
                done.append(Keep((item.raw,)))
                place += 1
            elif end is None:
                done.append(Void((item.raw,)))
                place += 1
            else:
                done += self._field_items(items[place : end + 1])
                place = end + 1
        return done

    def _field_items(self, items: list[_Item]) -> list[_Item]:
        fields = [(i, item) for i, item in enumerate(items) if isinstance(item, _Field)]
        (_, first), (_, last) = fields[0], fields[-1]
        told = "".join(item.instruction for _, item in fields).strip().upper()
        parts = [i for i, item in fields if item.kind == "separate"]
        simple = len([item for _, item in fields if item.kind == "begin"]) == 1 and len(parts) == 1
        if told.startswith("HYPERLINK") and simple:
            divide = items[parts[0]]
            assert isinstance(divide, _Field)  # noqa: S101
            before = self._tree.raw(first.start, self._tree.after(divide.start))
            inside = list(items[parts[0] + 1 : -1])
            return [Open((before,), "field"), *inside, Close((last.raw,), "field")]
        return [Keep((self._tree.raw(first.start, self._tree.after(last.start)),))]

    def _pieces(self, items: list[_Item], ground: str) -> list[Piece]:
        pieces: list[Piece] = []
        form = ground
        for item in items:
            seen = _seen(item.format) if isinstance(item, _Run) else form
            # A format ends where an element begins or ends, or another format begins.
            if form != ground and (seen != form or isinstance(item, Open | Close)):
                pieces.append(Close((), "run"))
                form = ground
            if isinstance(item, _Run):
                if _seen(item.format) not in (form, _seen(ground)):
                    pieces.append(Open((), "run", self._leaf(item.format)))
                    form = seen
                elif _seen(item.format) == _seen(ground):
                    form = ground
                if item.text:
                    pieces.append(Text(item.text))
            elif not isinstance(item, _Field):
                pieces.append(item)
        if form != ground:
            pieces.append(Close((), "run"))
        return pieces


def _seen(form: str) -> str:
    return _UNSEEN.sub("", form)


def _ground(items: list[_Item]) -> str:
    """The format of most of the text, outside of links if there is any."""
    depth = 0
    counts: tuple[Counter[str], Counter[str]] = (Counter(), Counter())
    raws: dict[str, str] = {}
    for item in items:
        depth += isinstance(item, Open)
        depth -= isinstance(item, Close)
        if isinstance(item, _Run) and item.text.strip():
            raws.setdefault(_seen(item.format), item.format)
            counts[depth > 0][_seen(item.format)] += len(item.text)
    chosen = counts[0] or counts[1]
    return raws[chosen.most_common(1)[0][0]] if chosen else ""


def _field_end(items: list[_Item], start: int) -> int | None:
    """Where the field that begins at `start` ends, if that is within the same element."""
    fields = elements = 0
    for place in range(start, len(items)):
        item = items[place]
        elements += isinstance(item, Open)
        elements -= isinstance(item, Close)
        if elements < 0:
            return None
        if isinstance(item, _Field):
            fields += item.kind == "begin"
            fields -= item.kind == "end"
            if not fields:
                return place if not elements else None
    return None
