"""`aliad translate`: have the network translate a document."""

from pathlib import Path
from typing import Final

import click

from aliad.cli.access import Node, node_options
from aliad.cli.model_use import FORMATS, PATH
from aliad.cli.output import Output
from aliad.cli.show import nano

EXAMPLES: Final = """\b
Examples:
  aliad translate letter.docx --to de --glossary terms.tsv
  aliad translate --from en --to de --yes --most 0.1 - <notes.txt >notizen.txt
"""


@click.command(epilog=EXAMPLES)
@click.argument("file", type=PATH, metavar="FILE|-")
@click.option("--to", "target", metavar="LANG", help="Language to translate to, such as de.")
@click.option(
    "--from", "source", metavar="LANG", help="Language of FILE, if models for several lead to it."
)
@click.option("--model", metavar="JOB", help="The job that made the model, instead of the best.")
@click.option(
    "--beam",
    type=click.IntRange(1, 32),
    default=5,
    show_default=True,
    help="Hypotheses kept; 1 is greedy. Work and cost grow with it.",
)
@click.option(
    "--checks",
    type=click.FloatRange(0, 100),
    default=10.0,
    show_default=True,
    metavar="PERCENT",
    help="Work that is computed again by others, to convict those who cheat.",
)
@click.option(
    "--patience",
    type=click.FloatRange(1, 3_600),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="A worker that takes longer for a batch loses it to another.",
)
@click.option("--format", "kind", type=click.Choice(FORMATS), help="What FILE is, not its name.")
@click.option(
    "--glossary",
    type=PATH,
    metavar="TSV",
    help="Terms to translate as given: a term, a tab, its translation a line.",
)
@click.option(
    "-o",
    "--output-file",
    "output_file",
    type=PATH,
    metavar="OUT",
    help="Write here, - for stdout. Without it beside FILE: letter.txt becomes letter.de.txt.",
)
@click.option("--force", is_flag=True, help="Replace OUT if it exists. FILE itself never is.")
@click.option("--most", metavar="ALIA", help="Refuse if more than this would be set aside.")
@click.option("--detach", is_flag=True, help="Print the order's id and do not wait.")
@node_options
def translate(
    file: Path,
    target: str | None,
    source: str | None,
    model: str | None,
    beam: int,
    checks: float,
    patience: float,
    kind: str | None,
    glossary: Path | None,
    output_file: Path | None,
    force: bool,
    most: str | None,
    detach: bool,
    node: Node,
    output: Output,
) -> None:
    """Have the network translate a document, or text from stdin with -.

    Says what it costs and who reads it, and asks before anything is spent. The most it can cost is
    set aside; what is not used comes back. The result is written beside FILE in the same format;
    of a pipe it goes to stdout, and all else to stderr.

    Where nobody can be asked, as in a pipe, --yes is needed: it agrees to whatever is shown, so
    give --most with it. The daemon must run until the order is done; Ctrl-C leaves the order
    running, and `aliad fetch` writes the translation later.
    """
    if target is None and model is None:
        raise click.UsageError("--to or --model is missing.")
    limit = None if most is None else nano(most)

    from aliad.cli.ordering import Wish, order_translation

    wish = Wish(
        file,
        source,
        target,
        model,
        beam,
        round(checks * 10_000),
        round(patience * 1000),
        kind,
        glossary,
        output_file,
        force,
        limit,
        detach,
    )
    order_translation(wish, node, output)
