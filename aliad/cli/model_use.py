"""`aliad model eval`, `translate` and `show`: what one does with a trained model."""

from dataclasses import asdict
from pathlib import Path
from typing import Final

import click

from aliad.cli.output import Output, output_options

PATH: Final = click.Path(path_type=Path)
STDIN: Final = Path("-")
FORMATS: Final = ("txt", "md", "html", "srt", "po", "xliff", "docx", "odt")
LINES: Final = "lines"
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
  aliad model translate letter.docx --model en-de/ --glossary terms.tsv
  echo "The dog sleeps." | aliad model translate --model en-de/ --json
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
@click.argument("file", type=PATH, default=STDIN, metavar="[FILE|-]")
@click.option("--model", "folder", type=PATH, required=True, metavar="DIR", help="The model.")
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
    help="Write here, - for stdout. Without it beside FILE: letter.txt becomes letter.de.txt.",
)
@click.option(
    "--format",
    "kind",
    type=click.Choice([*FORMATS, LINES]),
    help="What FILE is, if its name does not tell. With lines, each line is one sentence and is "
    "translated as it comes.",
)
@click.option(
    "--glossary",
    type=PATH,
    metavar="TSV",
    help="Terms to translate as given: a term, a tab, its translation a line.",
)
@click.option("--force", is_flag=True, help="Replace OUT if it exists. FILE itself never is.")
@THREADS
@output_options
def translate(
    file: Path,
    folder: Path,
    beam: int,
    target: Path | None,
    kind: str | None,
    glossary: Path | None,
    force: bool,
    threads: int,
    output: Output,
) -> None:
    """Translate a document, or text from stdin without FILE or with -.

    txt, md, html, srt, po, xliff, docx and odt come back in their format; only sentences change.
    With --json every sentence is an object with its source, its translation and the score: the
    mean log-probability of a token. Scores below -1 tell that the translation is poor.
    """
    import torch

    from aliad.cli.model_translate import Wish, translate_file, translate_stream

    torch.set_num_threads(threads)
    wish = Wish(file, folder, target, beam, kind, glossary, force)
    if kind == LINES:
        translate_stream(wish, output)
    else:
        translate_file(wish, output)


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
