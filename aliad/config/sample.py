"""The commented sample file: every setting with its meaning and its default."""

import textwrap

from aliad.config.settings import DECLARED, SECTIONS
from aliad.config.values import to_toml

_HEAD = """\
# Settings of an aliad node. Everything is optional: what is commented out is the default.
# Read in this order, later ones win: the chain's preset, /etc/aliad/aliad.toml,
# ~/.config/aliad/aliad.toml, DATADIR/aliad.toml, the environment, flags.
# In the environment [net] listen is ALIAD_NET__LISTEN, the entries of lists separated by commas.
# `aliad config show --origin` tells what is in force and why.
# (live) settings change with a SIGHUP, the others with a restart.
"""


def sample_text() -> str:
    """The file."""
    lines = [_HEAD]
    for section, kind in SECTIONS.items():
        lines.append(f"# {kind.__doc__}")
        lines.append(f"[{section}]")
        for declared in DECLARED.values():
            if declared.section != section:
                continue
            live = " (live)" if declared.about.live else ""
            lines += textwrap.wrap(f"# {declared.about.text}{live}", 96, subsequent_indent="# ")
            lines.append(f"#{declared.name} = {to_toml(declared, declared.default)}")
        lines.append("")
    return "\n".join(lines)
