"""What a single value must be like, beside its type: each check gives a complaint or None."""

import re
from collections.abc import Callable
from typing import Final, TypeAlias

from aliad.errors import RemoteProtocolError
from aliad.peer_id import node_id_of

Check: TypeAlias = Callable[[object], str | None]

_HOST: Final = r"/(ip4/[0-9.]+|ip6/[0-9a-fA-F:.]+|dns[46]?/[A-Za-z0-9.-]+)"
_ADDRESS: Final = re.compile(
    _HOST + r"/(tcp|udp)/(\d{1,5})((?:/(?:ws|wss|quic-v1))?)(?:/p2p/(\w+))?$"
)
_DEVICE: Final = re.compile(r"cpu|cuda(:\d{1,2})?")
_DAYS: Final = "mon|tue|wed|thu|fri|sat|sun"
_PAUSE: Final = re.compile(
    rf"(?:({_DAYS})(?:-({_DAYS}))? )?([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-4]):([0-5]\d)"
)


def within(low: float, high: float) -> Check:
    """A number from ``low`` to ``high``."""

    def check(value: object) -> str | None:
        assert isinstance(value, int | float)  # noqa: S101 - the type was checked before
        return None if low <= value <= high else f"It must be {low:g} to {high:g}."

    return check


def one_of(*choices: str) -> Check:
    """One of these texts."""

    def check(value: object) -> str | None:
        return None if value in choices else f"It must be one of: {', '.join(choices)}."

    return check


def matching(pattern: str, wanted: str) -> Check:
    """A text of a form."""
    compiled = re.compile(pattern)

    def check(value: object) -> str | None:
        return None if compiled.fullmatch(str(value)) else f"It must be {wanted}."

    return check


def listen_address(value: object) -> str | None:
    """A multiaddress to listen on."""
    return _address(value, named=False)


def peer_address(value: object) -> str | None:
    """A multiaddress that says which peer answers there."""
    return _address(value, named=True)


def _address(value: object, named: bool) -> str | None:
    found = _ADDRESS.fullmatch(str(value))
    if found is None or int(found[3]) > 65535:
        example = "/ip4/203.0.113.7/tcp/4321" + ("/p2p/12D3KooW…" if named else "")
        return f"It must be an address such as {example}"
    if found[5] is not None:
        try:
            node_id_of(found[5])
        except RemoteProtocolError:
            return "What follows /p2p/ is not a peer id (12D3KooW…)."
    if named and found[5] is None:
        return "It must end in /p2p/ and the peer id of the node there."
    return None


def device(value: object) -> str | None:
    """A compute device."""
    return None if _DEVICE.fullmatch(str(value)) else "A device is cpu, cuda or cuda:N."


def pause(value: object) -> str | None:
    """Hours in which the node does not compute."""
    found = _PAUSE.fullmatch(str(value))
    if found is None or (found[5] == "24" and found[6] != "00"):
        return 'It must be hours such as "08:00-18:00" or "mon-fri 08:00-18:00".'
    return None
