"""Entry point of a compute process. It is started by `spawning.spawn`, not by hand."""

import argparse
import os
import socket
import sys
from pathlib import Path
from typing import NoReturn

from aliad.compute.process.child.lifetime import die_with, place_kernel_cache, stay_in_background
from aliad.compute.process.files import ContentDirectory


def main() -> NoReturn:
    """Serve the parent until it closes the socket or ends."""
    parser = argparse.ArgumentParser(prog="python -m aliad.compute.process", description=__doc__)
    parser.add_argument("--fd", type=int, required=True, help="inherited end of a socketpair")
    parser.add_argument("--parent", type=int, required=True, help="process id of the parent")
    parser.add_argument("--directory", type=Path, required=True, help="where tensor files are")
    parser.add_argument("--device", default="cpu", help="cpu, cuda:0, … (default: cpu)")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default: 1)")
    parser.add_argument("--nice", type=int, default=10, help="added niceness (default: 10)")
    options = parser.parse_args()
    die_with(options.parent)
    stay_in_background(options.nice)
    place_kernel_cache(options.directory)
    channel = socket.socket(fileno=options.fd)
    directory = ContentDirectory(options.directory)
    directory.sweep()
    status = _serve(channel, directory, options.device, options.threads)
    sys.stderr.flush()
    os._exit(status)  # a request may still be computing: nobody waits for it any more


def _serve(channel: socket.socket, directory: ContentDirectory, device: str, threads: int) -> int:
    # After the environment is set: these import torch and numba.
    from aliad.compute.exact import assert_exact_settings
    from aliad.compute.memory import keep_freed_memory
    from aliad.compute.process.child.devices import open_device
    from aliad.compute.process.child.engine import Engine
    from aliad.compute.process.child.server import Replies, Server
    from aliad.compute.process.child.worker import failed
    from aliad.errors import AliadError

    keep_freed_memory()
    try:
        assert_exact_settings()
        engine = Engine(directory, open_device(device))
    except AliadError as error:
        Replies(channel).send(0, failed(error))
        return 78  # EX_CONFIG of sysexits(3)
    return Server(channel, engine, threads).serve()


if __name__ == "__main__":
    main()
