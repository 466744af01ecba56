"""Greedy and beam search. Exact, and the same whatever the composition of the batch.

A hypothesis' score is the sum of its tokens' log-probabilities, the end mark included, divided by
their number (length normalisation with exponent 1, Wu et al. 2016). Ties go to the earlier beam,
then to the lower token id. A token that would repeat a sequence of six is passed over: only loops
do that.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import torch
from torch import Tensor

from aliad.compute import exact
from aliad.compute.kernels import decoding, usable
from aliad.compute.operations.registry import finite
from aliad.compute.stepper import Cache, Decoder, Ids
from aliad.compute.transformer import Parameters
from aliad.errors import InputError
from aliad.spec.model import ModelConfig

PAD: Final = 0
BOS: Final = 2
EOS: Final = 3
REPEAT: Final = 6  # no sequence of this many tokens occurs twice
ROWS: Final = 128  # hypotheses decoded side by side


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """A translation: token ids without the end mark, and the normalised log-probability."""

    ids: Ids
    score: float


@dataclass(slots=True)
class Beam:
    """One live hypothesis of a sentence."""

    ids: Ids
    total: float  # float64 sum of float32 log-probabilities, in order
    row: int  # its row in the cache
    followers: dict[Ids, frozenset[int]] = field(default_factory=dict)

    def banned(self) -> frozenset[int]:
        """Tokens that would repeat a sequence."""
        return self.followers.get(self.ids[-REPEAT + 1 :], frozenset())

    def extended(self, token: int, total: float) -> "Beam":
        """This hypothesis with one more token."""
        followers = self.followers
        if len(self.ids) >= REPEAT - 1:
            last = self.ids[-REPEAT + 1 :]
            followers = {**followers, last: followers.get(last, frozenset()) | {token}}
        return Beam((*self.ids, token), total, self.row, followers)


@dataclass(slots=True)
class Sentence:
    """The search for one sentence's translation."""

    place: int
    cap: int
    beams: list[Beam]
    finished: list[Hypothesis] = field(default_factory=list)

    def best(self) -> Hypothesis:
        """The finished hypothesis of the highest score, the earliest among equals."""
        return max(self.finished, key=lambda hypothesis: hypothesis.score)


def length_cap(source: int, length: int) -> int:
    """Most tokens of a translation of `source` tokens: 1.6 times as many and ten."""
    return min(source * 8 // 5 + 10, length - 1)


def translate(
    parameters: Parameters, config: ModelConfig, sources: Sequence[Ids], *, beam: int = 1
) -> list[Hypothesis]:
    """The best hypothesis for every source (token ids that end with EOS), in order.

    beam: hypotheses kept a sentence; 1 is greedy. Raises InputError for an empty or over-long
    source, an id outside the vocabulary, or a beam outside 1 to 32.
    """
    _check(config, sources, beam)
    decoder = Decoder(parameters, config)
    order = sorted(range(len(sources)), key=lambda i: (len(sources[i]), i))
    found: dict[int, Hypothesis] = {}
    size = max(1, ROWS // beam)
    for start in range(0, len(order), size):
        part = order[start : start + size]
        for place, hypothesis in zip(
            part, _search(decoder, [sources[i] for i in part], beam), strict=True
        ):
            found[place] = hypothesis
    return [found[i] for i in range(len(sources))]


def _check(config: ModelConfig, sources: Sequence[Ids], beam: int) -> None:
    if not 1 <= beam <= 32:
        raise InputError(f"A beam of {beam} cannot be searched.", "It must be 1 to 32.")
    for source in sources:
        if not 1 <= len(source) <= config.length:
            raise InputError(
                f"A sentence of {len(source)} tokens cannot be translated.",
                f"The model reads 1 to {config.length} tokens.",
                "Split the text into sentences.",
            )
        if min(source) < 1 or max(source) >= config.vocabulary:
            raise InputError(
                f"A sentence has token ids outside 1 to {config.vocabulary - 1}.",
                "It was encoded with another tokenizer.",
                "Use the tokenizer of the model's folder.",
            )


def _search(decoder: Decoder, sources: Sequence[Ids], beam: int) -> list[Hypothesis]:
    memory = decoder.encode(list(sources))
    config = decoder.config
    sentences = [
        Sentence(i, length_cap(len(source), config.length), [Beam((), 0.0, i)])
        for i, source in enumerate(sources)
    ]
    capacity = max(sentence.cap for sentence in sentences) + 1
    own = [
        Cache.empty(len(sources), config, capacity, decoder.device)
        for _ in range(config.decoder_layers)
    ]
    live, at = sentences, 0
    while live:
        beams = [b for sentence in live for b in sentence.beams]
        own, places = _placed(own, [b.row for b in beams])
        ids = torch.tensor(
            [b.ids[-1] if b.ids else BOS for b in beams], dtype=torch.int32, device=decoder.device
        )
        owner = torch.tensor(
            [sentence.place for sentence in live for _ in sentence.beams],
            dtype=torch.int32,
            device=decoder.device,
        )
        rows = torch.tensor(places, dtype=torch.int32, device=decoder.device)
        logits = decoder.step(ids, at, own, memory, owner, rows)
        _forbid(logits, beams)
        tokens, gains = _candidates(logits, 2 * beam if beam > 1 else 1)
        start = 0
        for sentence in live:
            part = slice(start, start + len(sentence.beams))
            _advance(sentence, places[part], tokens[part], gains[part], beam)
            start = part.stop
        live, at = [sentence for sentence in live if sentence.beams], at + 1
    return [sentence.best() for sentence in sentences]


def _placed(caches: list[Cache], wanted: list[int]) -> tuple[list[Cache], list[int]]:
    """Caches in which each hypothesis has a row of its own, and that row.

    wanted: the row that each continues. The first to continue a row keeps it; others get copies of
    it in rows that nobody continues. So most of the cache stays where it is.
    """
    device, count = caches[0].keys.device, len(caches[0].seen)
    if len(wanted) > count:
        index = torch.tensor(wanted, device=device)
        return [cache.rows(index) for cache in caches], list(range(len(wanted)))
    free = iter(set(range(count)) - set(wanted))
    kept: set[int] = set()
    copies: list[tuple[int, int]] = []
    places: list[int] = []
    for row in wanted:
        if row in kept:
            copies.append((row, next(free)))
            places.append(copies[-1][1])
        else:
            kept.add(row)
            places.append(row)
    if copies:
        sources, targets = torch.tensor(copies, device=device).T
        for cache in caches:
            cache.copy(sources, targets)
    return caches, places


def _forbid(logits: Tensor, beams: Sequence[Beam]) -> None:
    """Push padding, the start mark and tokens that would repeat a sequence out of reach."""
    logits[:, PAD] = logits[:, BOS] = -1e9
    for row, hypothesis in enumerate(beams):
        for token in hypothesis.banned():
            logits[row, token] = -1e9


def _candidates(logits: Tensor, count: int) -> tuple[list[list[int]], list[list[float]]]:
    """Per row the `count` likeliest tokens and their log-probabilities, in float32."""
    count = min(count, logits.shape[1])
    if usable(logits):
        top, ids, total = finite(decoding.best(logits, count))
    else:
        total = exact.shifted_exp(logits)[1]
        ordered = torch.sort(logits, dim=-1, descending=True, stable=True)
        top, ids = ordered.values[:, :count], ordered.indices[:, :count]
    gains = (top - top[:, :1]).double().sub_(exact.log(total)).float()
    return ids.tolist(), gains.tolist()


def _advance(
    sentence: Sentence,
    places: list[int],
    tokens: list[list[int]],
    gains: list[list[float]],
    beam: int,
) -> None:
    """Replace the sentence's beams, whose caches are rows `places`, by their best continuations."""
    candidates = [
        (b.total + gain, i, token)
        for i, b in enumerate(sentence.beams)
        for token, gain in zip(tokens[i], gains[i], strict=True)
    ]
    if len(sentence.beams) > 1:
        candidates.sort(key=lambda candidate: -candidate[0])
    length = len(sentence.beams[0].ids) + 1
    new: list[Beam] = []
    for rank, (total, i, token) in enumerate(candidates):
        if len(new) == beam or len(sentence.finished) == beam:
            break
        parent = sentence.beams[i]
        parent.row = places[i]
        if token == EOS:
            if rank < beam:
                sentence.finished.append(Hypothesis(parent.ids, total / length))
        elif length >= sentence.cap:
            sentence.finished.append(Hypothesis((*parent.ids, token), total / length))
        else:
            new.append(parent.extended(token, total))
    sentence.beams = [] if len(sentence.finished) >= beam else new
