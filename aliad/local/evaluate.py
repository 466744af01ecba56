"""How well a model translates a test set: BLEU and chrF of whole sentences, and loss."""

from collections.abc import Sequence
from dataclasses import dataclass

from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from aliad.compute.evaluate import validation_loss
from aliad.compute.model_folder import Model
from aliad.corpus.batches import encode_pairs, make_token_batches
from aliad.corpus.pair import Pair
from aliad.local.prepare import EVALUATION_TOKENS, LONGEST_IDS
from aliad.local.translate import encode_source, open_tokenizer, translate_lines


@dataclass(frozen=True, slots=True)
class Scores:
    """BLEU and chrF in percent, with the signatures that tell how they were computed."""

    bleu: float
    chrf: float
    bleu_signature: str
    chrf_signature: str


@dataclass(frozen=True, slots=True)
class Evaluation:
    """`loss` is nats per target token, without dropout and smoothing, over `loss_lines` lines:
    those whose reference is not longer than the model writes; None if there are none."""

    lines: int
    beam: int
    loss: float | None
    loss_lines: int
    scores: Scores


def score(hypotheses: Sequence[str], references: Sequence[str]) -> Scores:
    """sacreBLEU (Post 2018): cased, tokenised by 13a; and chrF (Popović 2015)."""
    bleu, chrf = BLEU(tokenize="13a"), CHRF()
    return Scores(
        bleu.corpus_score(list(hypotheses), [list(references)]).score,
        chrf.corpus_score(list(hypotheses), [list(references)]).score,
        str(bleu.get_signature()),
        str(chrf.get_signature()),
    )


def evaluate(model: Model, pairs: Sequence[Pair], beam: int) -> Evaluation:
    """Translate the sources and compare with the targets.

    Every pair counts: a source longer than the model reads raises InputError.
    """
    tokenizer = open_tokenizer(model)
    length = model.config.length
    for pair in pairs:
        encode_source(tokenizer, pair.source, pair.line, length)
    spoken = [
        pair for pair in pairs if tokenizer.encode(pair.source) and tokenizer.encode(pair.target)
    ]
    ids = [
        entry
        for entry in encode_pairs(spoken, tokenizer, LONGEST_IDS)
        if max(entry.lengths) <= length
    ]
    micro = [batch.micro[0] for batch in make_token_batches(ids, tokens=EVALUATION_TOKENS)]
    loss = validation_loss(model.parameters, model.config, micro) if micro else None
    translated = translate_lines(model, (pair.source for pair in pairs), beam)
    hypotheses = [entry.target for entry in translated]
    references = [pair.target for pair in pairs]
    return Evaluation(len(pairs), beam, loss, len(ids), score(hypotheses, references))
