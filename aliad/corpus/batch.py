"""The record of a batch: token ids, shapes, canonical bytes, digest.

A batch is what one worker computes in one round: H micro-batches, one local step each.
The source ids of a line end with EOS. The target ids are bare: the decoder reads ``BOS + ids``
and predicts ``ids + EOS``, so both are ``len(ids) + 1`` long.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from aliad.corpus.tokenizer import BOS, EOS

Ids = tuple[int, ...]


class Shape(NamedTuple):
    """The padded shape of a micro-batch; source and target widths include EOS."""

    lines: int
    source_width: int
    target_width: int


@dataclass(frozen=True, slots=True)
class TokenPair:
    """One line as ids: source with EOS, target bare."""

    source: Ids
    target: Ids

    @property
    def lengths(self) -> tuple[int, int]:
        """Tokens the model sees: of the target with EOS, of the source with EOS."""
        return len(self.target) + 1, len(self.source)


@dataclass(frozen=True, slots=True)
class MicroBatch:
    """The lines of one local step; ``source[i]`` belongs to ``target[i]``."""

    source: tuple[Ids, ...]
    target: tuple[Ids, ...]

    @property
    def decoder_input(self) -> tuple[Ids, ...]:
        """What the decoder reads: BOS and the target ids."""
        return tuple((BOS, *ids) for ids in self.target)

    @property
    def labels(self) -> tuple[Ids, ...]:
        """What the decoder shall predict: the target ids and EOS."""
        return tuple((*ids, EOS) for ids in self.target)

    @property
    def shape(self) -> Shape:
        """The shape when every line is padded to the longest."""
        return Shape(
            len(self.source),
            max(map(len, self.source)),
            max(map(len, self.target)) + 1,
        )

    @property
    def source_tokens(self) -> int:
        """Source tokens with EOS, without padding."""
        return sum(map(len, self.source))

    @property
    def target_tokens(self) -> int:
        """Predicted tokens: the targets with EOS, without padding."""
        return sum(map(len, self.target)) + len(self.target)


@dataclass(frozen=True, slots=True)
class Batch:
    """The micro-batches of one worker's round, in the order in which they are computed."""

    micro: tuple[MicroBatch, ...]

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """The padded shape of each micro-batch: all that work depends on."""
        return tuple(micro.shape for micro in self.micro)

    @property
    def lines(self) -> int:
        """Lines in all micro-batches."""
        return sum(len(micro.source) for micro in self.micro)

    @property
    def source_tokens(self) -> int:
        """Source tokens with EOS, without padding."""
        return sum(micro.source_tokens for micro in self.micro)

    @property
    def target_tokens(self) -> int:
        """Predicted tokens, without padding: what the loss is divided by."""
        return sum(micro.target_tokens for micro in self.micro)


def micro_batch(pairs: Sequence[TokenPair]) -> MicroBatch:
    """Put lines into one micro-batch."""
    return MicroBatch(tuple(pair.source for pair in pairs), tuple(pair.target for pair in pairs))
