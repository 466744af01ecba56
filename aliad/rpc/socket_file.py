"""The Unix socket as a file: its mode, a stale one, one that another daemon answers."""

import contextlib
import os
import socket
import stat
from pathlib import Path
from typing import Final

from aliad.errors import ConfigError

BACKLOG: Final = 128


def open_socket(path: Path, mode: int) -> socket.socket:
    """Listen on ``path``. Raises ConfigError if a daemon answers there or it cannot be made."""
    _clear(path)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # Nobody may connect before the mode is right, so the file is born closed.
    before = os.umask(0o777)
    try:
        listening.bind(str(path))
    except OSError as error:
        listening.close()
        raise ConfigError(
            f"the socket {path} cannot be made",
            str(error.strerror or error),
            "Check the directory's owner and mode, or set rpc.socket.",
        ) from error
    finally:
        os.umask(before)
    path.chmod(mode)
    listening.listen(BACKLOG)
    return listening


def remove_socket(path: Path) -> None:
    """Take the file away when the daemon ends."""
    with contextlib.suppress(OSError):
        path.unlink()


def _clear(path: Path) -> None:
    """Remove a socket that nobody answers any more."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        return
    except OSError as error:
        raise ConfigError(f"the socket {path} cannot be made", str(error), "Check it.") from error
    if not stat.S_ISSOCK(found.st_mode):
        raise ConfigError(
            f"{path} is there and is no socket", "it is not removed", "Set rpc.socket elsewhere."
        )
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as trial:
        trial.settimeout(1.0)
        try:
            trial.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            remove_socket(path)
        except OSError:
            pass  # it exists and somebody may be there: binding will say so
        else:
            raise ConfigError(
                f"another daemon answers on {path}",
                "two daemons cannot share a socket",
                "Stop the other one (`aliad stop`), or set rpc.socket.",
            )
