"""Telling systemd how the daemon is (sd_notify(3)): READY, STATUS, WATCHDOG, STOPPING."""

import os
import socket
from collections.abc import Mapping


class Notifier:
    """Sends states to the socket that systemd named; without one it does nothing."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        mine = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        micros = environment.get("WATCHDOG_USEC", "0") if mine else "0"
        self.watchdog_seconds = int(micros) / 1e6 if micros.isdigit() else 0.0

    def tell(self, **states: str) -> None:
        """Send ``NAME=value`` lines; a systemd that does not listen is no error."""
        if not self._address:
            return
        text = "\n".join(f"{name.upper()}={value}" for name, value in states.items())
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.setblocking(False)  # a systemd that does not read must not hold the node up
            try:
                sender.connect(self._address)
                sender.sendall(text.encode())
            except OSError:
                return
