"""Which of the network's models translates a document."""

import re
from typing import Final

from aliad.cli.access import Object
from aliad.cli.show import clear, counted, number, real
from aliad.errors import InputError

_TAG: Final = re.compile("[A-Za-z0-9]+(-[A-Za-z0-9]+)*")


def choose_model(
    offers: list[Object], model: str | None, source: str | None, target: str | None
) -> Object:
    """The named model, else the one for the languages with the most workers, then the best BLEU,
    then the newest; ``offers`` begin with the newest. Raises InputError that says what there is.
    """
    usable = [o for o in offers if all(_TAG.fullmatch(str(o[end])) for end in ("source", "target"))]
    if not usable:
        raise InputError(
            "The network has no model that translates.",
            "No training job has ended with a model whose languages are known here.",
            "`aliad job list` shows what is trained.",
        )
    named = [o for o in usable if model is None or str(o["job"]).startswith(model.lower())]
    if model is not None and len(named) != 1:
        raise InputError(
            f"{len(named) or 'No'} models begin with {model[:64]!r}.",
            "A model is named by the job that made it, or by enough of its id's beginning.",
            "`aliad models` shows all of them.",
        )
    fits = [o for o in named if _same(str(o["source"]), source) and _same(str(o["target"]), target)]
    if not fits:
        wanted = " ".join(
            f"{word} {tag}" for word, tag in (("from", source), ("to", target)) if tag
        )
        which = "No model translates" if model is None else "This model does not translate"
        raise InputError(
            f"{which} {wanted}.",
            f"There is: {_pairs(named)}.",
            "Choose one of them with --from and --to; `aliad models` tells more.",
        )
    if len({str(o["source"]).lower() for o in fits}) > 1:
        raise InputError(
            "The language of the document is not clear.",
            f"There is: {_pairs(fits)}.",
            "Name it with --from.",
        )
    return min(fits, key=lambda o: (-number(o["workers"]), -real(o["bleu"])))


def describe_model(offer: Object) -> str:
    """A model in a line."""
    bleu = "" if offer["bleu"] is None else f", BLEU {real(offer['bleu']):.1f}"
    name = f" {clear(offer['name'])}" if offer["name"] else ""
    pair = f"{offer['source']} → {offer['target']}"
    return f"{str(offer['job'])[:12]}{name}, {pair}{bleu}, {counted(offer['workers'], 'worker')}"


def _same(tag: str, wanted: str | None) -> bool:
    return wanted is None or tag.lower() == wanted.lower()


def _pairs(offers: list[Object]) -> str:
    pairs = dict.fromkeys(f"{o['source']} → {o['target']}" for o in offers)
    return ", ".join(list(pairs)[:20]) + (", …" if len(pairs) > 20 else "")
