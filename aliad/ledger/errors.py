"""Why the ledger refuses: both are the sender's fault and change nothing."""

from aliad.errors import RemoteProtocolError


class InvalidTransaction(RemoteProtocolError):
    """The transaction cannot be applied to this state; a block that contains it is invalid."""


class InvalidBlock(RemoteProtocolError):
    """The block breaks a rule; whoever proposed it is faulty."""


def require(condition: bool, what: str) -> None:
    """Refuse the transaction unless ``condition`` holds."""
    if not condition:
        raise InvalidTransaction(what)
