"""Who may call what: classes of methods, and the callers that the kernel vouches for.

The kernel says which user is at the other end of a Unix socket (SO_PEERCRED). Root and the user the
daemon runs as may do everything; members of the socket's group what the operator allows them; who
else can connect may look.
"""

import grp
import os
import pwd
import socket
import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Protocol

_UCRED: Final = struct.Struct("3i")  # pid, uid, gid


class Permission(IntEnum):
    """Classes of methods; each includes those before it."""

    READ = 1
    """Look, change nothing."""
    OPERATE = 2
    """Run the node: pause, drain, stop, peers."""
    WALLET = 3
    """Spend, and sign in the node's name."""
    ADMIN = 4
    """Everything."""


@dataclass(frozen=True, slots=True)
class Caller:
    """A process at the other end of the socket."""

    pid: int
    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Policy:
    """What callers may do: ``owner`` is the daemon's user, ``group`` the socket's group."""

    owner: int
    group: int
    group_may: Permission

    def allowed(self, caller: Caller) -> Permission:
        """The highest class the caller may use."""
        if caller.uid in (0, self.owner):
            return Permission.ADMIN
        return self.group_may if self.group in _groups(caller) else Permission.READ


class Connected(Protocol):
    """A socket, of whatever library."""

    def getsockopt(self, level: int, option: int, size: int, /) -> bytes: ...


def get_caller(connection: Connected) -> Caller:
    """Who is connected, as the kernel knows it."""
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    return Caller(*_UCRED.unpack(raw))


def _groups(caller: Caller) -> set[int]:
    try:
        name = pwd.getpwuid(caller.uid).pw_name
        return {caller.gid, *os.getgrouplist(name, caller.gid)}
    except (KeyError, OSError):
        return {caller.gid}  # a user the host does not know, of a container


def group_name(gid: int) -> str:
    """A group's name, for messages."""
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
