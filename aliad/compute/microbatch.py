"""A micro-batch as tensors, and its place in an operation graph."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from aliad.compute.exact import MAX_TERMS
from aliad.compute.graph import Builder, Value
from aliad.compute.transformer import Inputs
from aliad.errors import InputError

Ids = tuple[int, ...]


class TokenLines(Protocol):
    """Lines of token ids; row i of all three belong together. Id 0 is padding."""

    @property
    def source(self) -> tuple[Ids, ...]:
        """What the encoder reads."""

    @property
    def decoder_input(self) -> tuple[Ids, ...]:
        """What the decoder reads."""

    @property
    def labels(self) -> tuple[Ids, ...]:
        """What the decoder shall predict."""


class MicroShape(NamedTuple):
    """Padded shape: sentences, source length, target length."""

    batch: int
    source: int
    target: int

    @classmethod
    def of(cls, lines: TokenLines) -> "MicroShape":
        """Shape when every line is padded to the longest."""
        source, target = max(map(len, lines.source)), max(map(len, lines.decoder_input))
        return cls(len(lines.source), source, target)


def padded(rows: Sequence[Ids], length: int) -> tuple[Tensor, Tensor]:
    """(ids int32 [B·length] with zeros as padding, lengths int32 [B])."""
    flat = [x for row in rows for x in (*row, *([0] * (length - len(row))))]
    lengths = [len(row) for row in rows]
    return torch.tensor(flat, dtype=torch.int32), torch.tensor(lengths, dtype=torch.int32)


def check_lines(lines: TokenLines, vocabulary: int, length: int) -> None:
    """Raise InputError unless every id, length and the padded size is within the model's limits."""
    rows = len(lines.source)
    if not rows == len(lines.decoder_input) == len(lines.labels):
        raise InputError(
            f"A micro-batch has {rows} sources and {len(lines.labels)} targets.",
            "It is damaged: they belong together line by line.",
            "Fetch or cut it again.",
        )
    if any(len(a) != len(b) for a, b in zip(lines.decoder_input, lines.labels, strict=True)):
        raise InputError(
            "A micro-batch has a target whose labels are fewer or more than its tokens.",
            "It is damaged.",
            "Fetch or cut it again.",
        )
    for part in (lines.source, lines.decoder_input, lines.labels):
        if not part or any(not 1 <= len(row) <= length for row in part):
            raise InputError(
                f"A micro-batch has no lines, or lines not of 1 to {length} tokens.",
                "The model's maximum length is smaller, or the batch is damaged.",
                "Cut the corpus with the model's length.",
            )
        if min(map(min, part)) < 1 or max(map(max, part)) >= vocabulary:
            raise InputError(
                f"A micro-batch has token ids outside 1 to {vocabulary - 1}.",
                "It was made with another tokenizer, or is damaged.",
                "Use the tokenizer that belongs to the job.",
            )
        padded_tokens = rows * max(map(len, part))
        if padded_tokens > MAX_TERMS:
            raise InputError(
                f"A micro-batch has {padded_tokens} tokens with padding.",
                f"Sums over more than {MAX_TERMS} tokens are not exact.",
                "Cut the corpus into smaller micro-batches.",
            )


def tensors(lines: TokenLines, seed: int) -> list[Tensor]:
    """The micro-batch's leaves, in the order in which `declare` declares them."""
    shape = MicroShape.of(lines)
    source, source_lengths = padded(lines.source, shape.source)
    target, target_lengths = padded(lines.decoder_input, shape.target)
    labels, _ = padded(lines.labels, shape.target)
    key = torch.tensor([seed], dtype=torch.int32)
    return [source, source_lengths, target, target_lengths, labels, key]


def declare(builder: Builder, shape: MicroShape, positions: Value, name: str) -> Inputs:
    """Declare a micro-batch's leaves, called `name`.…"""
    source = builder.leaf(f"{name}.source", (shape.batch * shape.source,))
    source_lengths = builder.leaf(f"{name}.source_lengths", (shape.batch,))
    target = builder.leaf(f"{name}.target", (shape.batch * shape.target,))
    target_lengths = builder.leaf(f"{name}.target_lengths", (shape.batch,))
    labels = builder.leaf(f"{name}.labels", (shape.batch * shape.target,))
    seed = builder.leaf(f"{name}.seed", (1,))
    return Inputs(source, source_lengths, target, target_lengths, labels, seed, positions)
