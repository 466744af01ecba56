"""`aliad version`."""

import platform

import click

from aliad import __version__
from aliad.cli.output import Output, output_options


@click.command(
    epilog="\b\nExamples:\n  aliad version\n  aliad version --json",
)
@output_options
def version(output: Output) -> None:
    """Show the version of aliad and of Python."""
    output.record(
        "version",
        {"aliad": __version__, "python": platform.python_version()},
        f"aliad {__version__} (Python {platform.python_version()})",
    )
