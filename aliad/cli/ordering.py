"""What `aliad translate` does: quote, ask, place, wait, write.

Nothing is spent before the user agreed, and a copy of the document is kept before that, so that
whatever happens afterwards `aliad fetch` can write the translation.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from aliad.cli.access import Node, Object, Refusal
from aliad.cli.choosing import choose_model, describe_model
from aliad.cli.copies import Copy, drop_copy, keep_copy
from aliad.cli.document_file import STREAM, deliver, find_destination, read_original, read_terms
from aliad.cli.fetching import get_translations
from aliad.cli.following import QUOTED, describe_cost, going_on, require_done, wait_for
from aliad.cli.output import Output, print_error
from aliad.cli.show import alia, counted, fields, number
from aliad.errors import AliadError, InputError
from aliad.rpc.client import Denied
from aliad.rpc.drafts import CALL_BYTES, LONGEST_TEXT

SLOW_SECONDS: Final = 600.0  # quoting may fetch a model, placing waits for a block
FEWEST_WORKERS: Final = 3  # one to translate, two to check


@dataclass(frozen=True, slots=True)
class Wish:
    """What the user asked for. ``checks`` is the share of work in millionths, ``patience`` in
    milliseconds, ``most`` in nano-ALIA, None without a limit."""

    file: Path
    source: str | None = None
    target: str | None = None
    model: str | None = None
    beam: int = 5
    checks: int = 100_000
    patience: int = 60_000
    kind: str | None = None
    glossary: Path | None = None
    output: Path | None = None
    force: bool = False
    most: int | None = None
    detach: bool = False


def order_translation(wish: Wish, node: Node, output: Output) -> None:
    """Have a document translated. Raises AliadError, Refusal, Interrupted."""
    terms = read_terms(wish.glossary)
    offer = choose_model(node.list("order.models"), wish.model, wish.source, wish.target)
    source, target = str(offer["source"]), str(offer["target"])
    destination = find_destination(wish.file, wish.output, target, wish.force)
    destination.check()
    original = read_original(wish.file, wish.kind, terms)
    document = original.open(source, target)
    texts = [segment.text for segment in document.segments]
    if not texts:
        output.say("The document has nothing to translate; nothing was ordered")
        deliver(document, (), destination, original.mode, output)
        return
    patient = replace(node, timeout=max(node.timeout, SLOW_SECONDS))
    quote = _quote(texts, str(offer["job"]), wish, patient)
    order = str(quote["order"])
    try:
        _agree(quote, offer, wish, node, output)
        keep_copy(order, Copy(original, destination, source, target))
    except (AliadError, Refusal):
        _give_up(order, node)
        raise
    placed = _place(order, patient)
    output.record("order", dict(_plain(placed)), order if wish.detach else None)
    if wish.detach:
        output.say(f"aliad fetch {order[:12]} writes the translation when it is done")
        return
    output.say(f"The order {order[:12]} is placed; Ctrl-C leaves it running")
    with going_on(order):
        ended = wait_for(order, node, output)
    if ended["phase"] == QUOTED:
        _give_up(order, node)
    require_done(ended)
    with going_on(order):
        spoken = get_translations(order, texts, patient)
        deliver(document, spoken, destination, original.mode, output)
    output.record("order", dict(_plain(ended)))
    output.say(describe_cost(ended))


def _quote(texts: list[str], model: str, wish: Wish, node: Node) -> Object:
    for text in texts:
        if len(text.encode()) > LONGEST_TEXT:
            raise InputError(
                f"The sentence that begins with {text[:30]!r} is too long.",
                f"It has more than {LONGEST_TEXT >> 10} KiB.",
                "Divide it by line breaks or full stops.",
            )
    name = "stdin" if wish.file == STREAM else wish.file.name[:200]
    with node.connect() as client:
        begun = client.call(
            "order.begin",
            model=model,
            beam=wish.beam,
            overhead_ppm=wish.checks,
            round_ms=wish.patience,
            name=name,
        )
        assert isinstance(begun, dict)  # noqa: S101 - the method's schema says so
        for part in _parts(texts):
            client.call("order.add", draft=begun["draft"], texts=list(part))
        quote = client.call("order.quote", draft=begun["draft"])
    assert isinstance(quote, dict)  # noqa: S101 - the method's schema says so
    return quote


def _parts(texts: list[str]) -> Iterator[list[str]]:
    """Texts in calls, half as long as is allowed: quotes and commas count on the wire."""
    part: list[str] = []
    room = CALL_BYTES // 2
    for text in texts:
        size = len(text.encode()) + 8
        if part and size > room:
            yield part
            part, room = [], CALL_BYTES // 2
        part.append(text)
        room -= size
    yield part


def _agree(quote: Object, offer: Object, wish: Wish, node: Node, output: Output) -> None:
    """Show what it costs and who reads it. Raises unless the user agrees and can pay."""
    price, escrow, balance = (
        alia(quote[name]) for name in ("price_nano", "escrow_nano", "balance_nano")
    )
    output.record("quote", dict(_plain(quote)))
    facts = [
        ("document", f"{_name(wish)}, {counted(quote['sentences'], 'sentence')}"),
        ("work", f"{counted(quote['batches'], 'batch')}, {number(quote['work']):,} mega-MAC"),
        ("model", describe_model({**offer, "workers": quote["workers"]})),
        ("cost", f"about {price} ALIA with {wish.checks / 10_000:g} % checks"),
        ("escrow", f"{escrow} ALIA until the order is over; what is not used comes back"),
        ("balance", f"{balance} ALIA"),
        ("read by", "the workers that translate and check a batch, each its own batches;"),
        ("", "if a batch is disputed, all validators read that batch"),
    ]
    asks = not node.yes
    if asks:
        print_error(*fields(facts).splitlines())
    else:
        output.say(fields(facts))
    if not number(quote["workers"]):
        raise InputError(
            "Nobody serves this model now.",
            "No worker is registered for it.",
            "Try again later, or name another with --model; `aliad models` shows who serves what.",
        )
    if number(quote["escrow_nano"]) > number(quote["balance_nano"]):
        raise InputError(
            "The balance does not cover this order.",
            f"{escrow} ALIA would be set aside; this node's account has {balance} ALIA.",
            "Have ALIA sent to it (`aliad wallet balance` names it), or order less at a time.",
        )
    if wish.most is not None and number(quote["escrow_nano"]) > wish.most:
        raise Refusal(
            "Nothing was ordered.\n"
            f"{escrow} ALIA would be set aside, more than the {alia(wish.most)} of --most.\n"
            "Allow more, or order less at a time."
        )
    if number(quote["workers"]) < FEWEST_WORKERS:
        output.say(f"It will wait until {FEWEST_WORKERS} workers serve the model")
    if not node.confirm(f"Order this translation for about {price} ALIA?"):
        raise Refusal(
            "Nothing was ordered.\n"
            f"Nobody agreed to have {escrow} ALIA set aside.\n"
            "Answer with y, or add --yes to agree beforehand."
        )


def _place(order: str, node: Node) -> Object:
    with going_on(order):
        try:
            return node.ask("order.place", order=order)
        except Denied as error:
            refused = error
    _give_up(order, node)
    raise refused


def _give_up(order: str, node: Node) -> None:
    """Keep nothing of a quote of which nothing comes; the daemon forgets it without that, too."""
    drop_copy(order)
    try:
        node.call("order.forget", order=order)
    except AliadError:
        return


def _name(wish: Wish) -> str:
    return "stdin" if wish.file == STREAM else str(wish.file)


def _plain(found: Object) -> Iterator[tuple[str, str | int | float | bool | None]]:
    for name, value in found.items():
        if isinstance(value, str | int | float | bool | None):
            yield name, value
