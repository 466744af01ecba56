"""`aliad config`: what is in force, and where it came from."""

from pathlib import Path

import click

from aliad.cli.access import Node, node_options
from aliad.cli.output import Output
from aliad.cli.show import emit, table


@click.group(epilog="\b\nExamples:\n  aliad config show --origin\n  aliad config sample")
def config() -> None:
    """Show, check and change settings."""


@config.command(epilog="\b\nExamples:\n  aliad config show\n  aliad config show --origin")
@click.option("--origin", is_flag=True, help="Say where each value came from.")
@node_options
def show(origin: bool, node: Node, output: Output) -> None:
    """List the settings in force."""
    from aliad.config.loading import get_value, load_config
    from aliad.config.settings import DECLARED
    from aliad.config.values import to_toml

    found = load_config(node.sources())
    rows = [
        (path, to_toml(one, get_value(found.settings, path)), found.origins[path])
        for path, one in DECLARED.items()
    ]
    if origin:
        text = table(("setting", "value", "from"), rows)
    else:
        text = "\n".join(f"{path} = {value}" for path, value, _ in rows)
    emit(
        output,
        "config",
        {
            "datadir": str(found.datadir),
            "socket": str(found.socket),
            "settings": [{"path": p, "value": v, "origin": o} for p, v, o in rows],
        },
        text,
    )


@config.command(epilog="\b\nExamples:\n  aliad config get net.listen\n  aliad config get log.level")
@click.argument("path")
@node_options
def get(path: str, node: Node, output: Output) -> None:
    """Print one setting."""
    from aliad.config.loading import get_value, load_config
    from aliad.config.settings import DECLARED
    from aliad.config.values import to_toml

    found = load_config(node.sources())
    value = to_toml(DECLARED[path], get_value(found.settings, path)) if path in DECLARED else ""
    get_value(found.settings, path)  # names the closest match of a wrong one
    emit(output, "setting", {"path": path, "value": value, "origin": found.origins[path]}, value)


@config.command(
    "set",
    epilog="\b\nExamples:\n  aliad config set work.threads 2\n"
    "  aliad config set net.bootstrap /ip4/203.0.113.7/tcp/4321/p2p/12D3KooW…",
)
@click.argument("path")
@click.argument("value")
@node_options
def set_(path: str, value: str, node: Node, output: Output) -> None:
    """Write one setting into the data directory's file."""
    from aliad.config.editing import write_setting
    from aliad.config.loading import load_config
    from aliad.config.settings import DECLARED

    found = load_config(node.sources())
    file = write_setting(found.datadir / "aliad.toml", path, value)
    live = DECLARED[path].about.live
    output.say("`aliad reload` puts it in force." if live else "It needs a restart.")
    emit(output, "file", {"path": str(file), "live": live}, str(file))


@config.command(epilog="\b\nExamples:\n  aliad config validate\n  aliad config validate a.toml")
@click.argument("file", type=click.Path(path_type=Path), required=False)
@node_options
def validate(file: Path | None, node: Node, output: Output) -> None:
    """Check the configuration, or a file."""
    from dataclasses import replace

    from aliad.config.loading import load_config

    found = load_config(replace(node.sources(), file=file) if file else node.sources())
    emit(output, "config", {"datadir": str(found.datadir), "valid": True}, "the settings are fine")


@config.command(epilog="\b\nExamples:\n  aliad config sample\n  aliad config sample > aliad.toml")
@node_options
def sample(node: Node, output: Output) -> None:
    """Print a file with every setting, its meaning and its default."""
    from aliad.config.sample import sample_text

    text = sample_text()
    emit(output, "sample", {"text": text}, text.rstrip("\n"))
