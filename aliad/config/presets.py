"""What is preset for networks that the program knows by name.

There is no public network yet, so there is no bootstrap address to build in. `devnet` is for nodes
on one machine, which answer each other at once.
"""

from collections.abc import Mapping
from typing import Final

DEVNET: Final = "devnet"

PRESETS: Final[Mapping[str, Mapping[str, object]]] = {
    DEVNET: {
        "net.listen": ("/ip4/127.0.0.1/tcp/0",),
        "consensus.delta": 0.5,
        "consensus.max_block_interval": 2.0,
    },
}
