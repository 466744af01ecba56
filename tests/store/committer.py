"""A child process that signs and commits blocks as a node does, until it is stopped.

    python -m tests.store.committer DIRECTORY WRITE_BUFFER [FILE_SIZE_LIMIT]

It prints a line after each step that must survive it: ``signed H`` and ``committed H``. When the
disk refuses it prints ``stopped H``, H being its tip, with the error, and ends with status 3.
"""

import resource
import sys
from pathlib import Path

from aliad.store.chain import ChainStore, open_chain
from aliad.store.kv import StoreFailed
from aliad.store.signer import SignerStore, open_signer
from aliad.types import Height
from tests.store.chains import FORMAT, GENESIS, ChainMaker, seeded


def vote(height: int) -> list[tuple[bytes, bytes]]:
    """What the child signs at a height."""
    return [(b"vote/%d" % n, seeded("vote", height, n) * 3) for n in range(2)]


def commit_for_ever(chain: ChainStore, signer: SignerStore) -> None:
    maker = ChainMaker.resume(chain)
    while True:
        block = maker.next()
        height = Height(maker.height)
        signer.write(height, vote(height))
        print(f"signed {height}", flush=True)
        chain.commit(block)
        print(f"committed {height}", flush=True)
        signer.forget(Height(height - 1))


def main() -> int:
    directory, write_buffer = Path(sys.argv[1]), int(sys.argv[2])
    chain = open_chain(directory / "chain", FORMAT, GENESIS, write_buffer=write_buffer)
    signer = open_signer(directory / "signer", GENESIS.hash, new_key=True)
    if len(sys.argv) > 3:
        limit = int(sys.argv[3])
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    print("ready", flush=True)
    try:
        with chain, signer:
            commit_for_ever(chain, signer)
    except StoreFailed as error:
        print(f"stopped {chain.tip.height}\n{error}", flush=True)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
