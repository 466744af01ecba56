"""The version of the database's layout, and how an older layout becomes the current one.

A database says which schema its rows follow. A newer one than this program knows is refused, for
guessing would damage it. An older one is migrated when it is opened, one version at a time; each
step is one synced batch together with the new version number, so a crash leaves the old layout or
the new one.

To add a migration: raise ``SCHEMA`` by one, put a function under the version it starts *from* into
``MIGRATIONS``, and give it a test with a database of the old layout.
"""

from collections.abc import Callable, Mapping
from typing import Final

from aliad.errors import ConfigError, StoreCorrupt
from aliad.store import keys
from aliad.store.kv import KeyValueStore, Reader, WriteBatch

# Reads the old layout, adds to the batch what turns it into the next one.
Migration = Callable[[Reader, WriteBatch], None]

SCHEMA: Final = 1
MIGRATIONS: Final[Mapping[int, Migration]] = {}


def read_schema(reader: Reader) -> int | None:
    """The version a database follows; None for one that was never initialised."""
    raw = reader.get(keys.META_SCHEMA)
    return None if raw is None else keys.read_u64(raw, "the schema version")


def migrate(
    store: KeyValueStore, target: int = SCHEMA, migrations: Mapping[int, Migration] = MIGRATIONS
) -> list[int]:
    """Bring the database to ``target``; returns the versions that were left behind.

    Raises ConfigError for a newer or a too old schema, StoreCorrupt if there is no version.
    """
    found = read_schema(store)
    if found is None:
        raise StoreCorrupt("the database has no schema version", "", keys.RESYNC)
    if found > target:
        raise ConfigError(
            f"the database has schema {found}, this program knows {target}",
            "a newer version of aliad wrote it",
            "run that version, or move the chain directory away and sync again",
        )
    left: list[int] = []
    for version in range(found, target):
        step = migrations.get(version)
        if step is None:
            raise ConfigError(
                f"the database has schema {found}, which is too old to migrate",
                f"this program has no step from {version} to {version + 1}",
                "move the chain directory away and sync again",
            )
        batch = WriteBatch()
        step(store, batch)
        batch.put(keys.META_SCHEMA, keys.u64(version + 1))
        store.write(batch, sync=True)
        left.append(version)
    return left
