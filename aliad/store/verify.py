"""Verify a chain database offline: replay it from genesis and compare every root and row.

    python -m aliad.store.verify DIRECTORY

DIRECTORY is the chain database, or the directory that holds it as ``chain``. The node must not be
running. Status 0: everything holds. 1: something does not, or the disk fails, as explained. 3:
wrong usage. 78: the database is not one this program can read. Signatures of certificates and the
beacon's proofs are not checked here: that takes the vote, and `aliad chain verify` does it, too.
"""

import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Final

from aliad.errors import AliadError, ConfigError, RemoteProtocolError, StoreCorrupt
from aliad.ledger.genesis import GENESIS, Genesis
from aliad.store import keys
from aliad.store.chain import MARK_FILE
from aliad.store.kv import Reader
from aliad.store.ledger_format import LedgerFormat
from aliad.store.leveldb import LevelDb, database_exists
from aliad.store.replay import LedgerExecutor, make_genesis_state
from aliad.store.tipmark import TipMark
from aliad.store.verification import CertificateCheck, Progress, Report, verify_chain
from aliad.types import Height

REPORT_EVERY: Final = 1000  # blocks


def verify_directory(
    directory: Path,
    progress: Progress | None = None,
    vote: Callable[[Genesis], CertificateCheck] | None = None,
) -> Report:
    """Verify the chain database in ``directory``; ``vote`` makes the check of certificates.

    Raises StoreCorrupt, ConfigError, StoreFailed.
    """
    if not database_exists(directory) and database_exists(directory / "chain"):
        directory /= "chain"
    store = LevelDb(directory, create=False)
    try:
        mark = TipMark(directory / MARK_FILE)
        mark.close()
        genesis = _read_genesis(store)
        return verify_chain(
            store,
            LedgerFormat(),
            make_genesis_state(genesis),
            LedgerExecutor(genesis),
            mark=mark.mark,
            is_final=None if vote is None else vote(genesis),
            progress=progress,
        )
    finally:
        store.close()


def _read_genesis(reader: Reader) -> Genesis:
    try:
        return GENESIS.decode(reader.get(keys.META_RECORD) or b"")
    except RemoteProtocolError as error:
        raise StoreCorrupt("the genesis record cannot be read", error.what, keys.RESYNC) from error


def main(arguments: list[str]) -> int:
    """Run the check and say what came of it: the report as JSON on stdout, or why not on stderr."""
    if len(arguments) != 1 or arguments[0].startswith("-"):
        sys.stderr.write((__doc__ or "") + "\n")
        return 3
    try:
        report = verify_directory(Path(arguments[0]), _tell_progress)
    except AliadError as error:
        sys.stderr.write(f"{error}\n")
        return 78 if isinstance(error, ConfigError) else 1
    sys.stdout.write(json.dumps(asdict(report), sort_keys=True) + "\n")
    return 0


def _tell_progress(height: Height, tip: Height) -> None:
    if height % REPORT_EVERY == 0 or height == tip:
        sys.stderr.write(f"replayed block {height} of {tip}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
