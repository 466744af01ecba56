"""How much a node answers to one peer: enough to catch up, too little to be worth an attack."""

from collections import OrderedDict
from typing import TypeAlias

from aliad.types import Hash32, Height, Millis, NodeId, View

MAX_ANSWERS = 32  # to one peer in one window
MAX_PEERS = 1024

Question: TypeAlias = Height | Hash32 | tuple[Height, View]


class AnswerLimit:
    """Within a window one peer gets each answer once, and `MAX_ANSWERS` of them."""

    __slots__ = ("_given", "_window")

    def __init__(self, window: Millis) -> None:
        self._window = window
        self._given: OrderedDict[NodeId, tuple[int, set[Question]]] = OrderedDict()

    def allows(self, peer: NodeId, question: Question, now: Millis) -> bool:
        """Whether to answer; counts the answer if so."""
        since, answered = self._given.pop(peer, (int(now), set()))
        if now - since >= self._window:
            since, answered = int(now), set()
        self._given[peer] = (since, answered)
        if len(self._given) > MAX_PEERS:
            self._given.popitem(last=False)
        if question in answered or len(answered) >= MAX_ANSWERS:
            return False
        answered.add(question)
        return True
