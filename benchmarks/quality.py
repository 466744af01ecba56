"""Translation quality on Multi30k en-de of exact training, against plain float32 torch.

    python -m benchmarks.quality --recipe adamw|rounds --epochs 13

adamw: one update a 4,000-token batch, in exact arithmetic and in plain float32 torch from the same
initial values on the same batches. rounds: the network's step, 6 simulated workers with 16 local
steps of 20 lines, int8 updates. A run takes about an hour on one core; it saves its state after
every epoch under --out and goes on from there. --only exact|float32 runs one side, so that two
cores can share the work; run without it afterwards to get the figures of both.
"""

import argparse
import json
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

import sacrebleu
import torch
from torch.nn import functional as F

from aliad.compute import adamw, rounds
from aliad.compute.adamw import AdamWRecipe, AdamWState
from aliad.compute.decode import EOS, translate
from aliad.compute.evaluate import validation_loss
from aliad.compute.memory import keep_freed_memory
from aliad.compute.microbatch import MicroShape, TokenLines, padded
from aliad.compute.noise import stream_id
from aliad.compute.rounds import JobState, RoundRecipe
from aliad.compute.schedule import Schedule
from aliad.compute.transformer import Parameters, initial_parameters
from aliad.local.loops import StepReport, adamw_loop, queue, rounds_loop, rounds_of
from aliad.spec.model import ModelConfig
from benchmarks import multi30k
from benchmarks.float32 import PlainTransformer

State = TypeVar("State")
SEED = bytes(32)
WORKERS = 6


def model() -> ModelConfig:
    """Model T: 1.9 million parameters."""
    return ModelConfig(vocabulary=multi30k.VOCABULARY, length=multi30k.MAX_LENGTH)


def adamw_recipe(steps: int) -> AdamWRecipe:
    """Peak 3e-3, warm-up 200, cosine to 2 %, betas .9 .98, clip 1, decay .01."""
    return AdamWRecipe(Schedule(Fraction(3, 1000), min(200, steps // 5), steps))


def rounds_recipe(steps: int) -> RoundRecipe:
    """Peak 3e-3, warm-up 10 %, outer rate 0.6, outer momentum 0.7."""
    return RoundRecipe(
        Schedule(Fraction(3, 1000), max(1, steps // 10), steps),
        beta2=Fraction(9, 10),
        outer_momentum=Fraction(7, 10),
    )


class Log:
    """Prints a line a step now and then, and one an epoch."""

    def __init__(self, name: str, steps: int) -> None:
        self.name, self.steps, self.started, self.tokens = name, steps, time.monotonic(), 0

    def step(self, report: StepReport) -> None:
        """Count tokens; print forty times a run."""
        self.tokens += report.tokens
        if report.step % max(1, self.steps // 40) == 0 or report.step == self.steps:
            rate = self.tokens / (time.monotonic() - self.started)
            print(
                f"{self.name} {report.step}/{self.steps} loss {report.loss:.3f} "
                f"{rate:.0f} tokens/s",
                flush=True,
            )


def save(path: Path, state: object) -> None:
    """Write a checkpoint of our own, replacing the one before."""
    torch.save(state, path.with_suffix(".tmp"))
    path.with_suffix(".tmp").rename(path)


def restore(path: Path, fresh: State) -> State:
    """The checkpoint at `path`, or `fresh` where there is none."""
    if not path.exists():
        return fresh
    saved: State = torch.load(path, weights_only=False)  # a file of our own
    return saved


def train_adamw(out: Path, epochs: int, task: multi30k.Task) -> AdamWState:
    """The exact AdamW run."""
    config, per_epoch = model(), len(task.batches)
    order = queue(per_epoch, epochs, SEED)
    state: AdamWState = restore(
        out / "exact.pt", adamw.initial_state(initial_parameters(config, 1))
    )
    log = Log("exact", len(order))
    recipe = adamw_recipe(len(order))
    for new, report in adamw_loop(state, config, recipe, task.batches, order, SEED):
        state = new
        log.step(report)
        if report.step % per_epoch == 0:
            save(out / "exact.pt", state)
            loss = validation_loss(state.parameters, config, task.validation)
            print(f"exact epoch {report.step // per_epoch} validation {loss:.4f}", flush=True)
    return state


def train_rounds(out: Path, epochs: int, task: multi30k.Task) -> JobState:
    """The network's rounds in one process."""
    config = model()
    order = queue(len(task.batches), epochs, SEED)
    schedule = rounds_of(order, WORKERS)
    fresh = rounds.initial_job_state(config, 1)
    state, residual = restore(out / "exact.pt", (fresh, fresh.momentum))
    log = Log("rounds", len(schedule))
    recipe = rounds_recipe(len(schedule))
    for new, left, report in rounds_loop(
        state, residual, config, recipe, task.batches, schedule, SEED
    ):
        state, residual = new, left
        log.step(report)
        if report.step % 5 == 0:
            save(out / "exact.pt", (state, residual))
        if report.step % 15 == 0 or report.step == len(schedule):
            loss = validation_loss(state.parameters, config, task.validation)
            print(f"rounds {report.step} validation {loss:.4f}", flush=True)
    save(out / "exact.pt", (state, residual))
    return state


def grid(lines: TokenLines) -> Iterator[torch.Tensor]:
    """Source, decoder input and labels as int64 [B, L]."""
    shape = MicroShape.of(lines)
    lengths = (shape.source, shape.target, shape.target)
    for rows, length in zip(
        (lines.source, lines.decoder_input, lines.labels), lengths, strict=True
    ):
        yield padded(rows, length)[0].view(shape.batch, length).long()


def train_float32(out: Path, epochs: int, task: multi30k.Task) -> PlainTransformer:
    """The same AdamW recipe in plain float32 torch, dropout from torch's generator."""
    config, per_epoch = model(), len(task.batches)
    order = queue(per_epoch, epochs, SEED)
    recipe = adamw_recipe(len(order))
    plain = PlainTransformer(config, initial_parameters(config, 1))
    decayed = [p for p in plain.parameters() if p.dim() > 1]
    gains = [p for p in plain.parameters() if p.dim() == 1]
    optimiser = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.01}, {"params": gains, "weight_decay": 0.0}],
        betas=(0.9, 0.98),
        eps=recipe.eps,
    )
    done, saved = restore(out / "float32.pt", (0, None))
    if saved is not None:
        plain.load_state_dict(saved[0])
        optimiser.load_state_dict(saved[1])
    log = Log("float32", len(order))
    for step in range(done, len(order)):
        torch.manual_seed(stream_id(SEED, step))
        plain.train()
        for group in optimiser.param_groups:
            group["lr"] = recipe.schedule.rate(step + 1)
        micro = task.batches[order[step]].micro[0]
        loss = plain.loss(*grid(micro)) / micro.target_tokens
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(plain.parameters(), 1.0)
        optimiser.step()
        log.step(StepReport(step + 1, float(loss.detach()), micro.target_tokens))
        if (step + 1) % per_epoch == 0:
            save(out / "float32.pt", (step + 1, (plain.state_dict(), optimiser.state_dict())))
            value = plain_validation_loss(plain, task)
            print(f"float32 epoch {(step + 1) // per_epoch} validation {value:.4f}", flush=True)
    return plain


@torch.inference_mode()
def plain_validation_loss(plain: PlainTransformer, task: multi30k.Task) -> float:
    """As `validation_loss`, in plain float32."""
    plain.eval()
    total, tokens = 0.0, 0
    for lines in task.validation:
        source, target, labels = grid(lines)
        logits = plain(source, target).flatten(0, 1)
        total += float(F.cross_entropy(logits, labels.flatten(), ignore_index=0, reduction="sum"))
        tokens += sum(map(len, lines.labels))
    return total / tokens


def bleu(parameters: Parameters, task: multi30k.Task, beam: int) -> float:
    """Cased sacreBLEU (tok:13a) on test2016."""
    sources = multi30k.lines("test_2016_flickr", "en")
    ids = [(*line, EOS) for line in task.tokenizer.encode_batch(sources)]
    found = translate(parameters, model(), ids, beam=beam)
    texts = [task.tokenizer.decode(hypothesis.ids) for hypothesis in found]
    references = multi30k.lines("test_2016_flickr", "de")
    return float(sacrebleu.corpus_bleu(texts, [references]).score)


def main() -> None:
    """Run and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recipe", choices=["adamw", "rounds"], default="adamw")
    parser.add_argument("--epochs", type=int, default=13)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", choices=["exact", "float32"])
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    out = options.out or Path("runs") / f"quality-{options.recipe}-{options.epochs}"
    out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(options.threads)
    keep_freed_memory()
    task = multi30k.load(options.recipe)
    figures: dict[str, float | None] = dict.fromkeys(
        ("bleu_greedy", "bleu_beam", "val_loss_exact", "val_loss_float32")
    )
    if options.only != "float32":
        if options.recipe == "adamw":
            parameters = train_adamw(out, options.epochs, task).parameters
        else:
            parameters = train_rounds(out, options.epochs, task).parameters
        figures["val_loss_exact"] = validation_loss(parameters, model(), task.validation)
        figures["bleu_greedy"] = bleu(parameters, task, 1)
        figures["bleu_beam"] = bleu(parameters, task, 5)
    if options.recipe == "adamw" and options.only != "exact":
        plain = train_float32(out, options.epochs, task)
        figures["val_loss_float32"] = plain_validation_loss(plain, task)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
