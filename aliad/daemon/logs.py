"""Logging: console on a terminal, JSON lines elsewhere, with priorities under the journal.

Every part logs through the standard library; here is how it looks. Whatever a line holds, keys and
customers' texts are never among it: nothing that logs is given them.
"""

import logging
import os
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, Final, TextIO

import structlog

LIBRARIES: Final = ("libp2p", "multiaddr", "async_service", "trio", "asyncio", "zeroconf")
# Ordinary failures of connections fill whole screens in these; what matters is counted elsewhere.
NOISY: Final = ("libp2p", "multiaddr", "async_service", "zeroconf")
_PRIORITIES: Final = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}

Line = MutableMapping[str, Any]


def set_up_logging(
    level: str, form: str, environment: Mapping[str, str], stream: TextIO = sys.stderr
) -> None:
    """Log to ``stream`` in the form that fits it, or in the one asked for."""
    console = form == "console" or (form == "auto" and stream.isatty())
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _shorten_logger,
    ]
    final: list[Any] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if console:
        colours = stream.isatty() and "NO_COLOR" not in environment
        final.append(structlog.dev.ConsoleRenderer(colors=colours))
    else:
        final += [
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(sort_keys=False, ensure_ascii=False),
        ]
    if _is_journal(stream, environment):
        final.append(_with_priority)
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=final)
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    set_level(level)


def set_level(level: str) -> None:
    """Log from this level on; libraries from warnings on, the noisy ones not at all."""
    logging.getLogger().setLevel(level.upper())
    debugging = level == "debug"
    for name in LIBRARIES:
        quiet = logging.CRITICAL if name in NOISY else logging.WARNING
        logging.getLogger(name).setLevel(logging.WARNING if debugging else quiet)


def _is_journal(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Whether the stream goes to the journal: systemd says which device and inode does."""
    named = environment.get("JOURNAL_STREAM", "")
    try:
        found = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return named == f"{found.st_dev}:{found.st_ino}"


def _shorten_logger(_logger: object, _method: str, line: Line) -> Line:
    record = line.get("_record")
    if isinstance(record, logging.LogRecord):
        line["part"] = record.name.removeprefix("aliad.")
    return line


def _with_priority(_logger: object, _method: str, rendered: str) -> str:
    """``<N>`` in front, as sd-daemon(3) has it; the level stands in the line itself."""
    for level, priority in _PRIORITIES.items():
        if f'"level": "{level}"' in rendered or f"[{level}" in rendered:
            return f"<{priority}>{rendered}"
    return f"<6>{rendered}"
