"""`aliad model export`: a finished model for other tools."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from aliad.cli.output import Output, output_options

if TYPE_CHECKING:
    from aliad.local.export_agreement import Agreement

PATH: Final = click.Path(path_type=Path)
EXAMPLES: Final = """\b
Examples:
  aliad model export en-de/ --to ctranslate2 -o en-de-ct2/
  aliad model export en-de/ --to ctranslate2 --quantization int8 -o en-de-int8/ --verify test.en
"""


@click.command(epilog=EXAMPLES)
@click.argument("model", type=PATH, metavar="MODEL")
@click.option(
    "--to",
    "tool",
    type=click.Choice(["ctranslate2"]),
    required=True,
    help="The tool that shall read it.",
)
@click.option(
    "-o",
    "--output-folder",
    "folder",
    type=PATH,
    required=True,
    metavar="DIR",
    help="Where to write the model, its tokenizer and a README; must not exist.",
)
@click.option(
    "--quantization",
    type=click.Choice(["float32", "int8"]),
    default="float32",
    show_default=True,
    help="float32 is truest to the model, int8 a quarter of the size.",
)
@click.option(
    "--verify",
    "sentences",
    type=PATH,
    metavar="FILE",
    help="Sentences to compare translations of, one a line. Without it 500 of the sample corpus.",
)
@click.option(
    "--threads",
    type=click.IntRange(1, 256),
    default=1,
    show_default=True,
    help="CPU threads for the comparison.",
)
@output_options
def export(
    model: Path,
    tool: str,
    folder: Path,
    quantization: str,
    sentences: Path | None,
    threads: int,
    output: Output,
) -> None:
    """Write a model for CTranslate2, and verify that it translates as the model does.

    Both translate the sentences greedily. Nothing is written unless 99 % get the same text or part
    where two tokens were about equally likely. Needs the package ctranslate2.
    """
    import torch

    from aliad.local.export import Wish, export_model
    from aliad.local.export_ctranslate2 import Quantization

    torch.set_num_threads(threads)
    wish = Wish(model, folder, Quantization(quantization), sentences, threads)
    done = export_model(wish)
    found = done.agreement
    output.record(
        "exported",
        {
            "folder": str(folder),
            "to": tool,
            "model": done.model.hex(),
            "quantization": quantization,
            "bytes": done.size,
            "sentences": found.sentences,
            "equal": found.equal,
            "near_ties": done.near_ties,
            "widest_gap": found.widest,
        },
        f"{folder}\n{found.equal} of {found.sentences} sentences ({_percent(found)}) get the "
        "same greedy text",
    )
    if done.near_ties:
        output.say(
            f"{done.near_ties} more part where two tokens were about equally likely, "
            f"{abs(found.widest):.3f} nats apart at most"
        )


def _percent(found: "Agreement") -> str:
    """Rounded down, so that 99.0 % is never less."""
    tenths = 1000 * found.equal // found.sentences
    return f"{tenths // 10}.{tenths % 10} %"
