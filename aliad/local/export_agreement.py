"""How well an exported model agrees with ours: greedy text, sentence by sentence.

Our engine rounds activations, another tool does not (or otherwise), so where two tokens are about
equally likely the two may choose differently, and the rest of the sentence follows the choice.
Such a near tie says nothing against the export. A sentence that parts where our engine clearly
prefers its own token does.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import sentencepiece
import torch

from aliad.compute.decode import BOS, EOS, length_cap
from aliad.compute.model_folder import Model
from aliad.compute.stepper import Cache, Decoder, Ids
from aliad.corpus.normal import normalise
from aliad.local.export_ctranslate2 import Exported
from aliad.local.translate import CHUNK_LINES, encode_source, open_tokenizer, search_all


@dataclass(frozen=True, slots=True)
class Agreement:
    """Sentences compared, those with the same text, and for each other one how many nats our
    engine prefers its own token where the two part; negative where it was not free to choose."""

    sentences: int
    equal: int
    gaps: tuple[float, ...]

    @property
    def widest(self) -> float:
        """The widest gap in nats; 0 without one."""
        return max(self.gaps, key=abs, default=0.0)

    def near_ties(self, limit: float) -> int:
        """Sentences that part where our engine prefers its token by at most `limit` nats."""
        return sum(0.0 <= gap <= limit for gap in self.gaps)


def compare(model: Model, exported: Exported, lines: Iterable[str]) -> Agreement:
    """Translate the lines greedily with both; empty lines do not count.

    Text goes to the exported model the way its users send it: as pieces of the tokenizer.
    Raises InputError, with the number of the line, for one that is longer than the model reads.
    """
    ours = open_tokenizer(model)
    theirs = sentencepiece.SentencePieceProcessor(model_proto=model.tokenizer)
    end = theirs.id_to_piece(EOS)
    decoder: Decoder | None = None
    sentences, equal, gaps = 0, 0, []
    for chunk in _chunks(enumerate(lines, start=1)):
        encoded = [
            (text, encode_source(ours, text, number, model.config.length)) for number, text in chunk
        ]
        spoken = [(text, ids) for text, ids in encoded if ids]
        sources = [ids for _, ids in spoken]
        expected = search_all(model, sources, beam=1)
        found = exported.greedy(
            [[*theirs.encode(normalise(text), out_type=str), end] for text, _ in spoken],
            [length_cap(len(ids), model.config.length) for ids in sources],
        )
        for source, hypothesis, pieces in zip(sources, expected, found, strict=True):
            sentences += 1
            if ours.decode(hypothesis.ids) == theirs.decode(pieces):
                equal += 1
                continue
            decoder = decoder or Decoder(model.parameters, model.config)
            other = tuple(theirs.piece_to_id(pieces))
            gaps.append(preference(decoder, source, hypothesis.ids, other))
    return Agreement(sentences, equal, tuple(gaps))


def preference(decoder: Decoder, source: Ids, ours: Ids, theirs: Ids) -> float:
    """By how many nats the engine prefers its token to the other one where `ours` and `theirs`
    first differ. Both are without the end mark, and not the same."""
    one, other = (*ours, EOS), (*theirs, EOS)
    at = next(i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)
    logits = _logits(decoder, source, one[:at])
    return float(logits[one[at]].double() - logits[other[at]].double())


def _logits(decoder: Decoder, source: Ids, prefix: Sequence[int]) -> torch.Tensor:
    """[V]: what the engine thinks of each token after `prefix`."""
    config, device = decoder.config, decoder.device
    memory = decoder.encode([source])
    own = [Cache.empty(1, config, len(prefix) + 1, device) for _ in range(config.decoder_layers)]
    owner = torch.zeros(1, dtype=torch.int32, device=device)
    for at, token in enumerate((BOS, *prefix)):
        ids = torch.tensor([token], dtype=torch.int32, device=device)
        logits = decoder.step(ids, at, own, memory, owner)
    return logits[0]


def _chunks(lines: Iterator[tuple[int, str]]) -> Iterator[list[tuple[int, str]]]:
    while chunk := list(islice(lines, CHUNK_LINES)):
        yield chunk
