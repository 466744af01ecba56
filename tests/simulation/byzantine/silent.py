"""Hears everything, says nothing."""

from aliad.consensus.messages import Message
from aliad.types import NodeId
from tests.simulation.node import Node


class Silent(Node):
    crashes = False

    def send(self, message: Message, to: NodeId | None) -> None:
        pass
