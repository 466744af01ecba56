"""A whole training job in one process: the network's rounds from a spec and a corpus to a model.

Every round follows from the state before it, so a training that was killed and resumed ends with
the digest of one that was not. Nothing appears under the output's name before the model is whole.
"""

import hashlib
import shutil
import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from aliad.compute import rounds
from aliad.compute.evaluate import validation_loss
from aliad.compute.memory import keep_freed_memory
from aliad.compute.model_folder import (
    already_there,
    load_model,
    model_digest,
    publish,
    save_model,
)
from aliad.compute.model_sums import SUMS
from aliad.compute.rounds import JobState
from aliad.corpus.shuffle import derive_seed
from aliad.errors import InputError
from aliad.local import checkpoint
from aliad.local.checkpoint import Progress, Resumed, part_folder
from aliad.local.events import (
    End,
    EpochDone,
    Finished,
    Observer,
    RoundDone,
    Saved,
    Started,
    Step,
    Stopped,
)
from aliad.local.finish import engine, finished_model
from aliad.local.loops import StepReport, queue, rounds_loop, rounds_of
from aliad.local.prepare import CorpusFiles, Prepared, prepare
from aliad.local.recipe import round_recipe
from aliad.spec.training import TrainingSpec


@dataclass(frozen=True, slots=True)
class TrainingJob:
    """What to train, on what, and where to. `valid` replaces the share that the spec holds out.

    A checkpoint is written every `checkpoint_seconds`, and after every round if that is 0.
    `stop_after` ends the run early, with a checkpoint, after that many rounds of the job.
    """

    spec: TrainingSpec
    corpus: CorpusFiles
    output: Path
    valid: CorpusFiles | None = None
    checkpoint_seconds: float = 30.0
    stop_after: int | None = None


def train(job: TrainingJob, observe: Observer) -> End:
    """Train, or go on where a run of the same job was stopped or killed.

    Raises InputError for whatever is wrong with spec, corpus or folders; KeyboardInterrupt after
    a checkpoint when interrupted.
    """
    keep_freed_memory()
    job = replace(job, output=job.output.absolute())
    part = part_folder(job.output)
    if done := _done_before(job, part):
        observe(done)
        return done
    with ExitStack() as stack:
        progress, begun_before = None, part.exists()
        if begun_before:
            stack.enter_context(checkpoint.locked(part))
            progress = checkpoint.read_progress(part)
        if progress and progress.spec != job.spec.digest.hex():
            raise _other_job(part, "The spec is not the one it was started with.")
        tokenizer = checkpoint.read_tokenizer(part, progress) if progress else None
        prepared = prepare(
            job.spec, job.corpus, job.valid, tokenizer, lambda text: observe(Step(text))
        )
        if not begun_before:
            stack.enter_context(checkpoint.locked(part))
            if checkpoint.read_progress(part):
                raise checkpoint.in_use(part)
        stack.callback(checkpoint.remove_if_empty, part)
        run = _Run(job, prepared, part, observe)
        if progress and progress.job != run.identity:
            raise _other_job(
                part, "The corpus, or the version of aliad, is not the one it was started with."
            )
        end = run.train(progress)
    if isinstance(end, Finished):
        checkpoint.remove(part)
    observe(end)
    return end


class _Run:
    """One process's share of a training."""

    def __init__(self, job: TrainingJob, prepared: Prepared, part: Path, observe: Observer) -> None:
        self.job, self.prepared, self.part, self.observe = job, prepared, part, observe
        self.config = job.spec.config()
        self.seed = derive_seed("training", job.spec.seed)
        order = queue(len(prepared.batches), job.spec.epochs, self.seed)
        self.schedule = rounds_of(order, job.spec.batches.workers)
        self.recipe = round_recipe(job.spec.recipe(len(self.schedule)))
        self.identity = _identity(job.spec, prepared)
        self.tokens = 0
        self.begun = time.monotonic()

    def train(self, progress: Progress | None) -> End:
        """Run the rounds that are left."""
        if progress:
            resumed = checkpoint.read_checkpoint(self.part, progress, self.config)
        else:
            fresh = rounds.initial_job_state(self.config, self.job.spec.seed)
            resumed = Resumed(fresh, fresh.momentum, 0.0)
        self.observe(
            Started(
                self.prepared,
                self.job.spec.parameters,
                resumed.state.rounds,
                len(self.schedule),
            )
        )
        last = min(len(self.schedule), self.job.stop_after or len(self.schedule))
        at = self._rounds(resumed, last)
        if at.state.rounds < len(self.schedule):
            return Stopped(at.state.rounds, len(self.schedule), self.part, at.state.digest())
        return self._finish(at)

    def _rounds(self, at: Resumed, last: int) -> Resumed:
        """Train to round `last`, saving now and then, at the end and when interrupted."""
        saved, saved_at = at.state.rounds, time.monotonic()
        loop = rounds_loop(
            at.state,
            at.residual,
            self.config,
            self.recipe,
            self.prepared.batches,
            self.schedule[:last],
            self.seed,
        )
        try:
            for state, residual, report in loop:
                at = Resumed(state, residual, report.loss)
                self._tell(report)
                due = time.monotonic() - saved_at >= self.job.checkpoint_seconds
                if due or state.rounds == last:
                    self._save(at)
                    saved, saved_at = state.rounds, time.monotonic()
                self._tell_epoch(at)
        except KeyboardInterrupt:
            if at.state.rounds > saved:
                self._save(at)
            raise
        return at

    def _save(self, at: Resumed) -> None:
        progress = Progress(
            1,
            self.job.spec.digest.hex(),
            self.identity,
            at.state.rounds,
            at.loss,
            "",
            "",
        )
        checkpoint.write_checkpoint(
            self.part, progress, at.state, at.residual, self.prepared.tokenizer.model
        )
        self.observe(Saved(at.state.rounds, at.state.digest(), self.part))

    def _tell(self, report: StepReport) -> None:
        self.tokens += report.tokens
        rate = self.tokens / max(time.monotonic() - self.begun, 1e-9)
        per_epoch = len(self.prepared.batches)
        batches = (report.step - 1) * self.job.spec.batches.workers
        left = sum(
            self.prepared.manifest.entries[index].target_tokens
            for indices in self.schedule[report.step :]
            for index in indices
        )
        self.observe(
            RoundDone(
                report.step,
                len(self.schedule),
                batches // per_epoch + 1,
                self.job.spec.epochs,
                report.loss,
                report.tokens,
                rate,
                left / rate,
            )
        )

    def _tell_epoch(self, at: Resumed) -> None:
        per_epoch, workers = len(self.prepared.batches), self.job.spec.batches.workers
        before = (at.state.rounds - 1) * workers // per_epoch
        after = sum(map(len, self.schedule[: at.state.rounds])) // per_epoch
        if after > before:
            loss = self._validation(at.state)
            self.observe(EpochDone(after, self.job.spec.epochs, loss))

    def _validation(self, state: JobState) -> float | None:
        if not self.prepared.validation:
            return None
        return validation_loss(state.parameters, self.config, self.prepared.validation)

    def _finish(self, at: Resumed) -> Finished:
        """Measure the model and put its folder where it belongs."""
        self.observe(Step("translating the held-out pairs"))
        model = finished_model(self.job.spec, self.prepared, at, len(self.schedule))
        making = self.part / checkpoint.MODEL
        shutil.rmtree(making, ignore_errors=True)
        stored = save_model(model, making)
        publish(making, self.job.output)
        return Finished(self.job.output, stored.digest, model.card.state, model.card)


def _identity(spec: TrainingSpec, prepared: Prepared) -> str:
    """What a training is: spec, batches, what it is measured on, engine; hexadecimal."""
    held_out = repr([(pair.source, pair.target) for pair in prepared.held_out]).encode()
    measured = hashlib.sha256(held_out).digest()
    parts = (spec.digest, prepared.manifest.digest, measured, engine())
    return hashlib.sha256(b"".join(parts)).hexdigest()


def _done_before(job: TrainingJob, part: Path) -> Finished | None:
    """The result, if a run was killed between putting it in place and tidying up.

    Raises InputError if something else has the output's name.
    """
    output = job.output
    if not output.exists():
        return None
    if output.is_dir() and not any(output.iterdir()):
        return None
    if part.exists() and (output / SUMS).exists():
        with checkpoint.locked(part):
            model = load_model(output)
            if model.card.spec == job.spec.digest.hex():
                checkpoint.remove(part)
                return Finished(output, model_digest(output), model.card.state, model.card)
    raise already_there(output)


def _other_job(part: Path, why: str) -> InputError:
    return InputError(
        f"{part} holds an unfinished training of something else.",
        why,
        f"Choose another output folder, or remove {part}.",
    )
