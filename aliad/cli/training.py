"""Shows a training: progress, messages, JSON events."""

from typing import assert_never

from aliad.cli.output import Interrupted, Output
from aliad.cli.progress import Meter, meter
from aliad.local.events import (
    EpochDone,
    Event,
    Finished,
    RoundDone,
    Saved,
    Started,
    Step,
    Stopped,
)
from aliad.local.trainer import TrainingJob, train


def watched(job: TrainingJob, output: Output) -> None:
    """Train and show it. Raises Interrupted, saying how to go on, when the user stops it."""
    with meter(output.quiet) as shown:
        watcher = _Watcher(output, shown)
        try:
            train(job, watcher.see)
        except KeyboardInterrupt as error:
            raise _interrupted(watcher) from error
    if watcher.last:
        watcher.conclude(watcher.last)


def _interrupted(watcher: "_Watcher") -> Interrupted:
    if watcher.saved is None:
        return Interrupted(
            "Interrupted before the first checkpoint.",
            "No round of this run was finished.",
            "Run the same command again; an earlier checkpoint, if any, still counts.",
        )
    return Interrupted(
        f"Interrupted after round {watcher.saved.round}.",
        f"The state is in {watcher.saved.folder}.",
        "Run the same command again to go on; the model will be the same.",
    )


class _Watcher:
    """Turns events into what the user sees."""

    def __init__(self, output: Output, shown: Meter) -> None:
        self.output, self.shown = output, shown
        self.saved: Saved | None = None
        self.last: Finished | Stopped | None = None

    def see(self, event: Event) -> None:
        """Show one event."""
        match event:
            case Step():
                self.output.record("step", {"text": event.text})
                self.output.say(f"{event.text[:1].upper()}{event.text[1:]} …")
            case Started():
                self._started(event)
            case RoundDone():
                self._round(event)
            case EpochDone():
                self._epoch(event)
            case Saved():
                self.saved = event
                self.output.record("saved", {"round": event.round, "state": event.digest.hex()})
            case Stopped() | Finished():
                self.last = event
            case _:
                assert_never(event)

    def _started(self, event: Started) -> None:
        prepared, manifest = event.prepared, event.prepared.manifest
        self.output.record(
            "started",
            {
                "pairs": prepared.pairs,
                "held_out": len(prepared.held_out),
                "dropped": prepared.report.read - prepared.report.kept + prepared.too_long,
                "parameters": event.parameters,
                "batches": len(prepared.batches),
                "tokens": manifest.target_tokens,
                "work": manifest.work,
                "dataset": manifest.digest.hex(),
                "round": event.done,
                "rounds": event.rounds,
            },
        )
        self.output.say(str(prepared.report))
        if prepared.too_long:
            self.output.say(f"  dropped {prepared.too_long}: more tokens than the model reads")
        self.output.say(
            f"{event.parameters} parameters, {len(prepared.batches)} batches of "
            f"{manifest.target_tokens} tokens and {manifest.work} mega-MAC an epoch"
        )
        if event.done:
            self.output.say(f"Going on after round {event.done} of {event.rounds}")

    def _round(self, event: RoundDone) -> None:
        self.output.record(
            "round",
            {
                "round": event.round,
                "rounds": event.rounds,
                "epoch": event.epoch,
                "epochs": event.epochs,
                "loss": event.loss,
                "tokens": event.tokens,
                "tokens_per_second": round(event.tokens_per_second, 1),
                "seconds_left": round(event.seconds_left, 1),
            },
        )
        self.shown.update(
            event.round,
            event.rounds,
            f"epoch {event.epoch}/{event.epochs}  round {event.round}/{event.rounds}  "
            f"loss {event.loss:.3f}  {event.tokens_per_second:.0f} tokens/s  "
            f"{_clock(event.seconds_left)} left",
        )

    def _epoch(self, event: EpochDone) -> None:
        self.output.record(
            "epoch",
            {
                "epoch": event.epoch,
                "epochs": event.epochs,
                "validation_loss": event.validation_loss,
            },
        )
        if event.validation_loss is not None:
            self.output.say(
                f"epoch {event.epoch}/{event.epochs}: "
                f"loss {event.validation_loss:.3f} on held-out pairs"
            )

    def conclude(self, event: Finished | Stopped) -> None:
        """Print the result, on stdout."""
        match event:
            case Stopped():
                self.output.record(
                    "stopped",
                    {"round": event.round, "rounds": event.rounds, "state": event.digest.hex()},
                    f"Stopped after round {event.round} of {event.rounds}; the same command "
                    f"without --stop-after goes on.\nstate {event.digest.hex()}",
                )
            case Finished():
                card = event.card
                self.output.record(
                    "finished",
                    {
                        "folder": str(event.folder),
                        "model": event.model.hex(),
                        "state": event.state,
                        "validation_loss": card.validation_loss,
                        "bleu": card.bleu,
                        "chrf": card.chrf,
                    },
                    f"{event.folder}\nmodel {event.model.hex()}\nstate {event.state}"
                    + (f"\nheld-out BLEU {card.bleu:.1f}, greedy" if card.bleu is not None else ""),
                )
            case _:
                assert_never(event)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
