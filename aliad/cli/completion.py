"""`aliad completion`: what a shell needs to complete commands."""

import click
from click.shell_completion import get_completion_class


@click.command(
    epilog="\b\nExamples:\n  aliad completion bash >> ~/.bashrc\n"
    "  aliad completion fish > ~/.config/fish/completions/aliad.fish"
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the completion script of a shell."""
    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101 - the choice lists those there are
    root = context.find_root().command
    click.echo(kind(root, {}, "aliad", "_ALIAD_COMPLETE").source())
