"""The card of a model: what it learned from, how, and how well; for programs and for people."""

import json
from dataclasses import asdict, dataclass, fields
from typing import Final

from aliad.compute.model_config import strict_object
from aliad.errors import InputError

_LONGEST_TEXT: Final = 4096


@dataclass(frozen=True, slots=True)
class Card:
    """Facts about a training. No dates and no machine: the same training gives the same card.

    Losses are nats per target token; `training_loss` is the last round's, before its steps and
    with dropout and label smoothing. `bleu` and `chrf` are of greedy translations of the held-out
    lines. What was not measured is None. Work is in mega-MAC. Digests are SHA-256 in hexadecimal:
    of the spec, the dataset manifest, the tokenizer file, and the state after the last round.
    """

    name: str
    languages: str
    pairs: int
    target_tokens: int
    held_out: int
    epochs: int
    rounds: int
    work: int
    training_loss: float
    validation_loss: float | None
    bleu: float | None
    chrf: float | None
    recipe: str
    spec: str
    dataset: str
    tokenizer: str
    state: str
    engine: str


def card_bytes(card: Card) -> bytes:
    """card.json."""
    return (json.dumps(asdict(card), ensure_ascii=False, indent=2) + "\n").encode()


def card_from_bytes(raw: bytes) -> Card:
    """Read card.json. Raises InputError unless every fact is there and of its type."""
    facts = strict_object(raw, {field.name for field in fields(Card)})
    for field in fields(Card):
        value = facts[field.name]
        allowed = (float, type(None)) if field.type == float | None else (field.type,)
        long = isinstance(value, str) and len(value) > _LONGEST_TEXT
        if type(value) not in allowed or long:
            raise InputError(
                "The model's card cannot be read.",
                f"`{field.name}` is not what a card holds there.",
                "Fetch the model again, or train it again.",
            )
    return Card(**facts)  # type: ignore[arg-type]


def card_text(card: Card) -> str:
    """card.md: the same for people."""
    lines = [
        f"# {card.name}",
        "",
        f"A translation model, {card.languages}, trained with aliad.",
        "",
        "| | |",
        "|---|---|",
        f"| training data | {card.pairs} sentence pairs, {card.target_tokens} target tokens |",
        f"| held out | {card.held_out} pairs |",
        f"| training | {card.epochs} epochs, {card.rounds} rounds, {card.work} mega-MAC |",
        f"| recipe | {card.recipe} |",
        f"| loss of the last round | {card.training_loss:.4f} nats a token |",
        f"| loss on held-out pairs | {_figure(card.validation_loss, 4, ' nats a token')} |",
        f"| BLEU on held-out pairs, greedy, cased, tok:13a | {_figure(card.bleu, 1)} |",
        f"| chrF on held-out pairs, greedy | {_figure(card.chrf, 1)} |",
        "",
        "Anyone with the same data and spec can train it again and gets the same bytes.",
        "",
        "| digest (SHA-256) of | |",
        "|---|---|",
        f"| spec | `{card.spec}` |",
        f"| dataset | `{card.dataset}` |",
        f"| tokenizer | `{card.tokenizer}` |",
        f"| state after the last round | `{card.state}` |",
        "",
        f"Engine: {card.engine}.",
        "",
    ]
    return "\n".join(lines)


def _figure(value: float | None, digits: int, unit: str = "") -> str:
    return "not measured" if value is None else f"{value:.{digits}f}{unit}"
