"""Exact training learns what plain float32 training learns, step for step.

Without dropout both sides do the same thing from the same values on the same batches, so their
losses may differ by what 12-bit operands round away, and no more.
"""

from dataclasses import replace
from fractions import Fraction

import pytest
import torch

from aliad.compute import adamw
from aliad.compute.adamw import AdamWRecipe
from aliad.compute.evaluate import validation_loss
from aliad.compute.schedule import Schedule
from aliad.compute.transformer import initial_parameters
from aliad.corpus.batch import Batch, MicroBatch
from aliad.corpus.batches import encode_pairs, make_token_batches
from aliad.corpus.pair import Pair
from aliad.corpus.sample.corpus import make_sample
from aliad.corpus.tokenizer import Tokenizer, train_tokenizer
from aliad.local.loops import adamw_loop, queue
from aliad.spec.model import ModelConfig
from benchmarks.float32 import PlainTransformer
from benchmarks.quality import grid

STEPS = 60


@pytest.fixture(scope="module")
def task() -> tuple[ModelConfig, list[MicroBatch], list[MicroBatch]]:
    """Model, training and validation micro-batches of the sample corpus."""
    corpus = make_sample(train=1500, valid=120, test=1)
    pairs = [Pair(en, de, i) for i, (en, de) in enumerate(corpus.train)]
    held = [Pair(en, de, i) for i, (en, de) in enumerate(corpus.valid)]
    tokenizer = Tokenizer(train_tokenizer((t for p in pairs for t in (p.source, p.target)), 500))
    config = ModelConfig(
        vocabulary=tokenizer.size,
        width=48,
        hidden=96,
        heads=2,
        encoder_layers=2,
        decoder_layers=2,
        length=64,
        dropout=0.0,
    )
    batches = make_token_batches(list(encode_pairs(pairs, tokenizer, 64)), tokens=700)
    valid = make_token_batches(list(encode_pairs(held, tokenizer, 64)), tokens=700)
    return config, [b.micro[0] for b in batches], [b.micro[0] for b in valid]


def plain_losses(
    config: ModelConfig, batches: list[MicroBatch], order: list[int], recipe: AdamWRecipe
) -> tuple[list[float], PlainTransformer]:
    """Loss per token before every update, and the model after all, by torch.optim.AdamW."""
    plain = PlainTransformer(config, initial_parameters(config, 1))
    decayed = [p for p in plain.parameters() if p.dim() > 1]
    gains = [p for p in plain.parameters() if p.dim() == 1]
    groups = [{"params": decayed, "weight_decay": 0.01}, {"params": gains, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, betas=(0.9, 0.98), eps=recipe.eps)
    losses = []
    for step, index in enumerate(order):
        for group in optimiser.param_groups:
            group["lr"] = recipe.schedule.rate(step + 1)
        source, target, labels = grid(batches[index])
        loss = plain.loss(source, target, labels) / batches[index].target_tokens
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(plain.parameters(), 1.0)
        optimiser.step()
        losses.append(float(loss.detach()))
    return losses, plain


def test_losses_agree(
    task: tuple[ModelConfig, list[MicroBatch], list[MicroBatch]],
) -> None:
    """Every one of sixty losses within 1 %, and the validation loss too."""
    config, batches, valid = task
    recipe = AdamWRecipe(Schedule(Fraction(4, 1000), 10, STEPS))
    order = queue(len(batches), -(-STEPS // len(batches)), bytes(32))[:STEPS]
    losses, plain = plain_losses(config, batches, order, recipe)
    state = adamw.initial_state(initial_parameters(config, 1))
    whole = [Batch((micro,)) for micro in batches]
    exact = []
    for new, report in adamw_loop(state, config, recipe, whole, order, bytes(32)):
        state = new
        exact.append(report.loss)
    assert losses[-1] < 0.75 * losses[0]
    for mine, theirs in zip(exact, losses, strict=True):
        assert mine == pytest.approx(theirs, rel=0.01)
    same = PlainTransformer(replace(config, smoothing=0.0), dict(state.parameters))
    with torch.inference_mode():
        loss = sum(float(same.loss(*grid(m))) for m in valid) / sum(m.target_tokens for m in valid)
        plain_loss = sum(float(_unsmoothed(plain).loss(*grid(m))) for m in valid) / sum(
            m.target_tokens for m in valid
        )
    assert validation_loss(state.parameters, config, valid) == pytest.approx(loss, rel=0.001)
    assert loss == pytest.approx(plain_loss, rel=0.01)


def _unsmoothed(plain: PlainTransformer) -> PlainTransformer:
    plain.config = replace(plain.config, smoothing=0.0)
    return plain
