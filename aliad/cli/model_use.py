"""`aliad model eval`, `translate` and `show`: what one does with a trained model."""

from dataclasses import asdict
from pathlib import Path
from typing import Final

import click

from aliad.cli.output import Output, output_options

PATH: Final = click.Path(path_type=Path)
THREADS: Final = click.option(
    "--threads",
    type=click.IntRange(1, 256),
    default=1,
    show_default=True,
    help="CPU threads. Any number gives the same result.",
)

EVAL_EXAMPLES: Final = """\b
Examples:
  aliad model eval en-de/ --source test.en --target test.de
  aliad model eval en-de/ --source test.tsv --beam 1 --json
"""
TRANSLATE_EXAMPLES: Final = """\b
Examples:
  aliad model translate en-de/ letter.txt -o brief.txt
  echo "The dog sleeps." | aliad model translate en-de/ --json
"""
SHOW_EXAMPLES: Final = """\b
Examples:
  aliad model show en-de/
  aliad model show en-de/ --json
"""


@click.command("eval", epilog=EVAL_EXAMPLES)
@click.argument("folder", type=PATH, metavar="DIR")
@click.option(
    "--source",
    type=PATH,
    required=True,
    metavar="FILE",
    help="Source side, one sentence a line; or a whole .tsv or .tmx corpus. May be .gz.",
)
@click.option("--target", type=PATH, metavar="FILE", help="Reference translations.")
@click.option(
    "--beam",
    type=click.IntRange(1, 32),
    default=5,
    show_default=True,
    help="Hypotheses kept; 1 is greedy.",
)
@THREADS
@output_options
def evaluate(
    folder: Path, source: Path, target: Path | None, beam: int, threads: int, output: Output
) -> None:
    """Translate a test set and print BLEU, chrF and loss."""
    import torch

    from aliad.compute.model_folder import load_model
    from aliad.corpus.reading import read_pairs
    from aliad.local import evaluate as evaluation

    torch.set_num_threads(threads)
    model = load_model(folder)
    languages = (model.languages.source, model.languages.target)
    pairs = list(read_pairs(source, target, languages))
    found = evaluation.evaluate(model, pairs, beam)
    scores = found.scores
    output.record(
        "evaluation",
        {
            "lines": found.lines,
            "beam": found.beam,
            "loss": found.loss,
            "loss_lines": found.loss_lines,
            **asdict(scores),
        },
        f"BLEU {scores.bleu:.2f}  ({scores.bleu_signature})\n"
        f"chrF {scores.chrf:.2f}  ({scores.chrf_signature})\n"
        + (f"loss {found.loss:.4f} nats a token\n" if found.loss is not None else "")
        + f"{found.lines} lines, beam {found.beam}",
    )


@click.command(epilog=TRANSLATE_EXAMPLES)
@click.argument("folder", type=PATH, metavar="DIR")
@click.argument("file", type=PATH, default=Path("-"), metavar="[FILE|-]")
@click.option(
    "--beam",
    type=click.IntRange(1, 32),
    default=5,
    show_default=True,
    help="Hypotheses kept; 1 is greedy.",
)
@click.option(
    "-o",
    "--output-file",
    "target",
    type=PATH,
    metavar="OUT",
    help="Write here instead of stdout, when all is translated.",
)
@THREADS
@output_options
def translate(
    folder: Path, file: Path, beam: int, target: Path | None, threads: int, output: Output
) -> None:
    """Translate text, one sentence a line. Without FILE, or with -, from stdin.

    With --json every line is an object with its source, its translation and the score: the mean
    log-probability of a token. Scores below -1 tell that the translation is poor.
    """
    import torch

    from aliad.compute.model_folder import load_model
    from aliad.corpus.lines import read_lines
    from aliad.corpus.writing import write_whole
    from aliad.local.translate import translate_lines

    torch.set_num_threads(threads)
    model = load_model(folder)
    lines: list[str] = []
    source = read_lines(Path("/dev/stdin") if file == Path("-") else file)
    for entry in translate_lines(model, source, beam):
        if target is not None:
            lines.append(entry.target)
        output.record("translation", asdict(entry), entry.target if target is None else None)
    if target is not None:
        write_whole(target, "".join(f"{line}\n" for line in lines).encode())
        output.say(f"{len(lines)} lines written to {target}")


@click.command(epilog=SHOW_EXAMPLES)
@click.argument("folder", type=PATH, metavar="DIR")
@output_options
def show(folder: Path, output: Output) -> None:
    """Check a model's files and print its card."""
    from aliad.compute.model_card import card_text
    from aliad.compute.model_folder import load_model, model_digest

    model = load_model(folder)
    digest = model_digest(folder).hex()
    output.record(
        "model", {"model": digest, **asdict(model.card)}, f"{card_text(model.card)}\nmodel {digest}"
    )
