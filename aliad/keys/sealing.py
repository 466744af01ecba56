"""What a key file says: the seed in hex, or sealed by a passphrase.

    {"aliad-key": 1, "peer": "12D3KooW…", "seed": "<64 hex digits>"}
    {"aliad-key": 1, "peer": "12D3KooW…", "kdf": "argon2id", "ops": 3, "mem": 268435456,
     "salt": "<hex>", "box": "<hex>"}

The box is libsodium's secretbox (XSalsa20 and Poly1305) under argon2id of the passphrase. ``peer``
lets a person see whose key a file holds without opening it; it is checked when the file is opened.
"""

import json
from typing import Final

from nacl.exceptions import CryptoError
from nacl.pwhash import argon2id
from nacl.secret import SecretBox
from nacl.utils import random as random_bytes

from aliad.crypto import SigningKey, key_from_seed
from aliad.errors import ConfigError
from aliad.peer_id import peer_id_of

MAX_KEY_BYTES: Final = 4096
MAX_OPS: Final = 16
MAX_MEM: Final = 1 << 30
MIN_MEM: Final = argon2id.MEMLIMIT_MIN

_VERSION: Final = 1


def seal_key(key: SigningKey, passphrase: str | None) -> str:
    """The text of a key file; without a passphrase the seed stands in it."""
    record: dict[str, object] = {"aliad-key": _VERSION, "peer": peer_id_of(key.node_id)}
    if passphrase is None:
        record["seed"] = key.seed.hex()
    else:
        ops, mem = argon2id.OPSLIMIT_MODERATE, argon2id.MEMLIMIT_MODERATE
        salt = random_bytes(argon2id.SALTBYTES)
        box = SecretBox(_derive(passphrase, salt, ops, mem)).encrypt(key.seed)
        record |= {"kdf": "argon2id", "ops": ops, "mem": mem, "salt": salt.hex(), "box": box.hex()}
    return json.dumps(record, indent=1) + "\n"


def is_sealed(text: str, name: str) -> bool:
    """Whether a passphrase is needed. Raises ConfigError for what is no key file."""
    return "seed" not in _record(text, name)


def open_key(text: str, passphrase: str | None, name: str) -> SigningKey:
    """The key in a file's text; ``name`` is the file's. Raises ConfigError."""
    record = _record(text, name)
    try:
        if "seed" in record:
            seed = bytes.fromhex(_text(record["seed"]))
        else:
            seed = _opened(record, passphrase, name)
        key = key_from_seed(seed) if len(seed) == 32 else None
    except (KeyError, ValueError) as error:
        raise _no_key(name, str(error)) from error
    if key is None:
        raise _no_key(name, "a seed has 32 bytes")
    if record.get("peer") != peer_id_of(key.node_id):
        raise _no_key(name, "the peer id in it belongs to another key")
    return key


def _opened(record: dict[str, object], passphrase: str | None, name: str) -> bytes:
    if passphrase is None:
        raise ConfigError(
            f"the key {name} is protected by a passphrase, and none was given",
            "it is taken from $CREDENTIALS_DIRECTORY/aliad-passphrase, a file, or the terminal",
            "Use --passphrase-file, or LoadCredential=aliad-passphrase:FILE in the unit.",
        )
    ops, mem = record.get("ops"), record.get("mem")
    if record.get("kdf") != "argon2id" or type(ops) is not int or type(mem) is not int:
        raise ValueError("it is sealed in an unknown way")
    if not 1 <= ops <= MAX_OPS or not MIN_MEM <= mem <= MAX_MEM:
        raise ValueError("its cost of opening is out of range")
    salt, box = bytes.fromhex(_text(record["salt"])), bytes.fromhex(_text(record["box"]))
    if len(salt) != argon2id.SALTBYTES:
        raise ValueError("its salt has another length")
    try:
        return SecretBox(_derive(passphrase, salt, ops, mem)).decrypt(box)
    except CryptoError:
        raise ConfigError(
            f"the passphrase does not open the key {name}",
            "it is another one, or the file is damaged",
            "Try again, or restore the file from its backup.",
        ) from None


def _derive(passphrase: str, salt: bytes, ops: int, mem: int) -> bytes:
    derived: bytes = argon2id.kdf(SecretBox.KEY_SIZE, passphrase.encode(), salt, ops, mem)
    return derived


def _record(text: str, name: str) -> dict[str, object]:
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        record = None
    if not isinstance(record, dict) or record.get("aliad-key") != _VERSION:
        raise _no_key(name, "its text is not a key of version 1")
    return record


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("an entry is not text")
    return value


def _no_key(name: str, why: str) -> ConfigError:
    return ConfigError(
        f"{name} is not a key file", why[:200], "Restore it from its backup; a key cannot be made."
    )
