"""`aliad model`: everything about models that needs no network."""

from typing import Final

import click

from aliad.cli.model_export import export
from aliad.cli.model_sample import sample
from aliad.cli.model_train import train
from aliad.cli.model_use import evaluate, show, translate

EXAMPLES: Final = """\b
Examples:
  aliad model train spec.toml --source train.en --target train.de -o en-de/
  echo "The dog sleeps." | aliad model translate --model en-de/
"""


@click.group(epilog=EXAMPLES)
def model() -> None:
    """Train, evaluate and use translation models on this machine, without a network."""


for command in (train, evaluate, translate, show, export, sample):
    model.add_command(command)
