"""`aliad model train`: a spec and a corpus become a model."""

import signal
from pathlib import Path
from types import FrameType
from typing import Final

import click

from aliad.cli.output import Output, output_options

EXAMPLES: Final = """\b
Examples:
  aliad model train spec.toml --source train.en --target train.de -o en-de/
  aliad model train spec.toml --source corpus.tsv.gz -o en-de/ --json -q
"""
PATH: Final = click.Path(path_type=Path)


@click.command(epilog=EXAMPLES)
@click.argument("spec", type=PATH)
@click.option(
    "--source",
    type=PATH,
    required=True,
    metavar="FILE",
    help="Source side, one sentence a line; or a whole .tsv or .tmx corpus. May be .gz.",
)
@click.option("--target", type=PATH, metavar="FILE", help="Target side, line by line the same.")
@click.option(
    "--valid-source",
    type=PATH,
    metavar="FILE",
    help="Held-out source side, instead of the share that the spec holds out.",
)
@click.option("--valid-target", type=PATH, metavar="FILE", help="Held-out target side.")
@click.option(
    "-o",
    "--output-folder",
    "folder",
    type=PATH,
    required=True,
    metavar="DIR",
    help="The model's folder. DIR.part keeps the state until the model is whole.",
)
@click.option(
    "--checkpoint",
    type=click.FloatRange(0),
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="Time between checkpoints; 0 for one every round.",
)
@click.option(
    "--stop-after",
    type=click.IntRange(1),
    metavar="ROUNDS",
    help="Stop after this round of the job; the same command goes on later.",
)
@click.option(
    "--threads",
    type=click.IntRange(1, 256),
    default=1,
    show_default=True,
    help="CPU threads. Any number gives the same model.",
)
@output_options
def train(
    spec: Path,
    source: Path,
    target: Path | None,
    valid_source: Path | None,
    valid_target: Path | None,
    folder: Path,
    checkpoint: float,
    stop_after: int | None,
    threads: int,
    output: Output,
) -> None:
    """Train a model by the rounds of the network, all in this process.

    SPEC is a TOML file that says which model to train and how. A run that was stopped or killed
    goes on when the same command is given again, and ends with the same model, byte for byte.
    """
    if valid_source is None and valid_target is not None:
        raise click.UsageError("--valid-target needs --valid-source.")
    from aliad.local.toml import read_spec

    read = read_spec(spec)  # before the seconds that torch takes to import

    import torch

    from aliad.cli.training import watched
    from aliad.local.prepare import CorpusFiles
    from aliad.local.trainer import TrainingJob

    torch.set_num_threads(threads)
    valid = CorpusFiles(valid_source, valid_target) if valid_source else None
    job = TrainingJob(read, CorpusFiles(source, target), folder, valid, checkpoint, stop_after)
    signal.signal(signal.SIGTERM, _interrupt)
    watched(job, output)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
