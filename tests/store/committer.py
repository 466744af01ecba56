"""A child process that signs and commits blocks as a node does, until it is stopped.

    python -m tests.store.committer KIND DIRECTORY WRITE_BUFFER [FILE_SIZE_LIMIT]

KIND is ``seeded`` (blocks that follow from their height) or ``ledger`` (signed transfers).

It prints a line after each step that must survive it: ``signed H`` and ``committed H``. When the
disk refuses it prints ``stopped H``, H being its tip, with the error, and ends with status 3.
"""

import resource
import sys
from collections.abc import Iterator
from pathlib import Path

from aliad.store.chain import BlockCommit, ChainStore, open_chain
from aliad.store.kv import StoreFailed
from aliad.store.signer import SignerStore, open_signer
from aliad.types import Height
from tests.store.chains import FORMAT, GENESIS, ChainMaker, seeded
from tests.store.ledger_chain import FUNDED, LedgerChain


def vote(height: int) -> list[tuple[bytes, bytes]]:
    """What the child signs at a height."""
    return [(b"vote/%d" % n, seeded("vote", height, n) * 3) for n in range(2)]


def seeded_blocks(chain: ChainStore) -> Iterator[BlockCommit]:
    maker = ChainMaker.resume(chain)
    while True:
        yield maker.next()


def ledger_blocks(chain: ChainStore) -> Iterator[BlockCommit]:
    maker = LedgerChain(chain)
    while True:
        yield maker.propose(maker.transfers(3))


def commit_for_ever(chain: ChainStore, signer: SignerStore, blocks: Iterator[BlockCommit]) -> None:
    for block in blocks:
        height = Height(chain.tip.height + 1)
        signer.write(height, vote(height))
        print(f"signed {height}", flush=True)
        chain.commit(block)
        print(f"committed {height}", flush=True)
        signer.forget(Height(height - 1))


KINDS = {"seeded": (GENESIS, seeded_blocks), "ledger": (FUNDED, ledger_blocks)}


def main() -> int:
    kind, directory, write_buffer = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    genesis, make_blocks = KINDS[kind]
    chain = open_chain(directory / "chain", FORMAT, genesis, write_buffer=write_buffer)
    signer = open_signer(directory / "signer", genesis.hash, new_key=True)
    if len(sys.argv) > 4:
        limit = int(sys.argv[4])
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    print("ready", flush=True)
    try:
        with chain, signer:
            commit_for_ever(chain, signer, make_blocks(chain))
    except StoreFailed as error:
        print(f"stopped {chain.tip.height}\n{error}", flush=True)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
