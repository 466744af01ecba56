"""What a training leaves: the model with its card, measured on the held-out pairs."""

from dataclasses import replace

from aliad import __version__
from aliad.compute.model_card import Card
from aliad.compute.model_config import Languages
from aliad.compute.model_folder import Model
from aliad.compute.selftest import engine_digest, load_golden
from aliad.local.checkpoint import Resumed
from aliad.local.evaluate import evaluate
from aliad.local.prepare import Prepared
from aliad.spec.training import TrainingSpec
from aliad.types import MegaMac


def finished_model(spec: TrainingSpec, prepared: Prepared, at: Resumed, rounds: int) -> Model:
    """The model of the state `at` after the last round; greedy BLEU and chrF where lines are."""
    card = Card(
        name=spec.name,
        languages=f"{spec.source}-{spec.target}",
        pairs=prepared.pairs,
        target_tokens=prepared.manifest.target_tokens,
        held_out=len(prepared.held_out),
        epochs=spec.epochs,
        rounds=rounds,
        work=MegaMac(prepared.manifest.work * spec.epochs),
        training_loss=at.loss,
        validation_loss=None,
        bleu=None,
        chrf=None,
        recipe=recipe_text(spec),
        spec=spec.digest.hex(),
        dataset=prepared.manifest.digest.hex(),
        tokenizer=prepared.tokenizer.digest.hex(),
        state=at.state.digest().hex(),
        engine=f"aliad {__version__}, engine digest {engine().hex()}",
    )
    languages = Languages(spec.source, spec.target)
    tokenizer = prepared.tokenizer.model
    model = Model(spec.config(), languages, at.state.parameters, tokenizer, card)
    if not prepared.held_out:
        return model
    measured = evaluate(model, prepared.held_out, beam=1)
    card = replace(
        card,
        validation_loss=measured.loss,
        bleu=measured.scores.bleu,
        chrf=measured.scores.chrf,
    )
    return replace(model, card=card)


def engine() -> bytes:
    """The digest of the arithmetic that this version of aliad computes with."""
    return engine_digest(load_golden())


def recipe_text(spec: TrainingSpec) -> str:
    """The recipe in a line for people."""
    b, o = spec.batches, spec.optimiser
    return (
        f"rounds of {b.workers} batches, {b.micro_batches} local steps of {b.lines} lines each, "
        f"peak rate {float(o.peak_rate):g}, warm-up {float(o.warmup):g} of the rounds, "
        f"cosine to {float(o.floor):g}, outer rate {float(o.outer_rate):g}, "
        f"outer momentum {float(o.outer_momentum):g}"
    )
