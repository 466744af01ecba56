"""Length-grouped batches, fixed when a job is created.

Lines of similar length share a micro-batch, so that little is padding. They are grouped within
pools drawn at random, and each batch is dealt micro-batches of all lengths: batches, and so
rounds, are mixed, and all batches cost about the same. Every line is in exactly one micro-batch,
and the sizes are evened out: no step is taken on a handful of left-over lines.

The order of the batches in an epoch is drawn from a seed that comes later, from outside, so that
whoever cut the batches cannot choose it.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate, islice, pairwise

from aliad.corpus.batch import Batch, MicroBatch, TokenPair, micro_batch
from aliad.corpus.pair import Pair
from aliad.corpus.shuffle import derive_seed, permutation
from aliad.corpus.tokenizer import EOS, Tokenizer
from aliad.errors import InputError

__all__ = [
    "Batch",
    "MicroBatch",
    "TokenPair",
    "encode_pairs",
    "epoch_order",
    "make_line_batches",
    "make_token_batches",
]

_ENCODE_LINES = 4096


def encode_pairs(
    pairs: Iterable[Pair], tokenizer: Tokenizer, max_length: int = 128
) -> Iterator[TokenPair]:
    """Turn pairs into ids; both sides are cut to ``max_length`` tokens, EOS included.

    Raises InputError if a side has no token: clean the corpus first.
    """
    stream = iter(pairs)
    while chunk := list(islice(stream, _ENCODE_LINES)):
        sources = tokenizer.encode_batch(pair.source for pair in chunk)
        targets = tokenizer.encode_batch(pair.target for pair in chunk)
        for pair, source, target in zip(chunk, sources, targets, strict=True):
            if not source or not target:
                raise InputError(
                    f"Line {pair.line} of the corpus has an empty side.",
                    "There is nothing to learn from it.",
                    "Clean the corpus before it is cut into batches.",
                )
            yield TokenPair((*source[: max_length - 1], EOS), tuple(target[: max_length - 1]))


def make_line_batches(
    pairs: Sequence[TokenPair],
    *,
    lines: int = 20,
    micro: int = 16,
    seed: int = 0,
    pool: int = 4000,
) -> list[Batch]:
    """Cut the corpus into batches of at most ``micro`` micro-batches of at most ``lines`` lines.

    Where the corpus does not divide evenly, micro-batches differ by one line and batches by one
    micro-batch. ``pool`` is the number of lines within which lengths are grouped.
    """
    _check_positive(lines=lines, micro=micro, pool=pool)
    order = _by_length(pairs, pool, seed)
    cut = [micro_batch([pairs[i] for i in part]) for part in _even_parts(order, lines)]
    return [Batch(tuple(hand)) for hand in _deal(cut, micro, seed)]


def make_token_batches(
    pairs: Sequence[TokenPair], *, tokens: int = 4000, seed: int = 0, pool: int | None = None
) -> list[Batch]:
    """Cut the corpus into batches of one micro-batch with ``tokens`` target tokens at most.

    Padding counts: a batch costs its lines times its longest target with EOS. A single line
    longer than ``tokens`` is a batch of its own. Without ``pool`` the whole corpus is grouped by
    length, which pads least. The batches come in a shuffled order.
    """
    pool = len(pairs) + 1 if pool is None else pool
    _check_positive(tokens=tokens, pool=pool)
    order = _by_length(pairs, pool, seed)
    parts: list[list[int]] = []
    width = 0
    for index in order:
        width = max(width, pairs[index].lengths[0])
        if not parts or (len(parts[-1]) + 1) * width > tokens:
            parts.append([])
            width = pairs[index].lengths[0]
        parts[-1].append(index)
    _even_tail(parts, lambda index: pairs[index].lengths[0], tokens)
    dealt = permutation(len(parts), derive_seed("deal token batches", seed))
    return [Batch((micro_batch([pairs[i] for i in parts[j]]),)) for j in dealt]


def epoch_order(count: int, seed: bytes, epoch: int) -> list[int]:
    """Give the order of ``count`` batches in ``epoch``, drawn from a 32-byte seed."""
    if len(seed) != 32:
        raise ValueError(f"an epoch's seed has 32 bytes, not {len(seed)}")
    return permutation(count, derive_seed("epoch order", seed, epoch))


def _by_length(pairs: Sequence[TokenPair], pool: int, seed: int) -> list[int]:
    """Order the lines by length within random pools of ``pool`` lines.

    Every other pool runs backwards, so that lines on both sides of a seam are alike too.
    """
    drawn = permutation(len(pairs), derive_seed("draw pools", seed))
    ordered: list[int] = []
    for number, start in enumerate(range(0, len(drawn), pool)):
        ordered += sorted(
            drawn[start : start + pool],
            key=lambda index: pairs[index].lengths,
            reverse=number % 2 == 1,
        )
    return ordered


def _deal(cut: Sequence[MicroBatch], most: int, seed: int) -> list[list[MicroBatch]]:
    """Deal micro-batches to the fewest hands of at most ``most``, each a mix of all lengths.

    As many micro-batches of like length as there are hands go out at a time, one to each hand, so
    that all hands are about the same work: in a round everybody waits for the slowest.
    """
    ranked = sorted(range(len(cut)), key=lambda i: (cut[i].target_tokens, i), reverse=True)
    hands: list[list[int]] = [[] for _ in range(-(-len(cut) // most))]
    for start in range(0, len(ranked), max(len(hands), 1)):
        alike = ranked[start : start + len(hands)]
        lot = permutation(len(hands), derive_seed("deal", seed, start))
        for hand, index in zip(lot, alike, strict=False):
            hands[hand].append(index)
    return [
        [cut[hand[i]] for i in permutation(len(hand), derive_seed("hand", seed, number))]
        for number, hand in enumerate(hands)
    ]


def _even_parts(items: Sequence[int], most: int) -> list[Sequence[int]]:
    """Cut ``items`` into the fewest parts of at most ``most``, sizes differing by one at most."""
    if not items:
        return []
    count = -(-len(items) // most)
    ends = accumulate((len(items) + i) // count for i in range(count))
    return [items[begin:end] for begin, end in pairwise((0, *ends))]


def _even_tail(parts: list[list[int]], width: Callable[[int], int], tokens: int) -> None:
    """Share the lines of the last two parts evenly where the budget allows it."""
    if len(parts) < 2:
        return
    both = parts[-2] + parts[-1]
    halves = [both[: len(both) // 2], both[len(both) // 2 :]]
    if all(len(half) * max(map(width, half)) <= tokens for half in halves):
        parts[-2:] = halves


def _check_positive(**values: int) -> None:
    for name, value in values.items():
        if value < 1:
            raise InputError(
                f"Batches cannot be cut with {name} = {value}.",
                f"{name} is a count.",
                f"Give a value of at least 1 for {name}.",
            )
