"""The kinds of sentences and how often each is drawn.

A kind is a function that draws a meaning and speaks it in both languages.
"""

from collections.abc import Callable
from typing import Final

from aliad.corpus.sample import actions, compounds, descriptions
from aliad.corpus.sample.draw import Draw
from aliad.corpus.sample.sentence import Sentence

# How often each kind is drawn, of 100
KINDS: Final[tuple[tuple[int, Callable[[Draw], Sentence]], ...]] = (
    (28, actions.statement),
    (7, actions.yes_no_question),
    (4, actions.who_question),
    (6, actions.other_question),
    (7, descriptions.description),
    (4, descriptions.comparison),
    (5, descriptions.possession),
    (3, descriptions.existence),
    (3, descriptions.price),
    (2, descriptions.age),
    (3, descriptions.time_of_day),
    (4, descriptions.position),
    (6, compounds.reported),
    (5, compounds.reason),
    (4, compounds.condition),
    (3, compounds.coordination),
    (2, compounds.purpose),
    (2, actions.request),
    (2, compounds.relative),
)


def draw_sentence(draw: Draw) -> Sentence:
    """Draw a sentence of any kind."""
    choice = draw.below(sum(share for share, _ in KINDS))
    for share, kind in KINDS:
        if choice < share:
            return kind(draw)
        choice -= share
    raise AssertionError("the shares cover every choice")
