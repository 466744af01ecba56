"""`aliad model sample`: a corpus to try things with."""

from pathlib import Path
from typing import Final

import click

from aliad.cli.output import Output, output_options

EXAMPLES: Final = """\b
Examples:
  aliad model sample -o sample/
  aliad model sample -o sample/ --train 20000 --seed 7
"""


@click.command(epilog=EXAMPLES)
@click.option(
    "-o",
    "--output-folder",
    "folder",
    type=click.Path(path_type=Path),
    required=True,
    metavar="DIR",
    help="Where to write train, valid and test .en and .de files.",
)
@click.option("--train", "train_pairs", default=8000, show_default=True, help="Training pairs.")
@click.option("--valid", "valid_pairs", default=500, show_default=True, help="Validation pairs.")
@click.option("--test", "test_pairs", default=500, show_default=True, help="Test pairs.")
@click.option("--seed", default=0, show_default=True, help="Another seed, other sentences.")
@output_options
def sample(
    folder: Path, train_pairs: int, valid_pairs: int, test_pairs: int, seed: int, output: Output
) -> None:
    """Write a sample corpus, English and German, generated from a small grammar."""
    from aliad.corpus.sample.corpus import make_sample, write_sample

    corpus = make_sample(train_pairs, valid_pairs, test_pairs, seed)
    for path in write_sample(corpus, folder):
        output.record("file", {"path": str(path)}, str(path))
