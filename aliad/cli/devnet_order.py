"""A document that a devnet translates with the model it has just made."""

import time
from pathlib import Path
from typing import Final

from aliad.cli.access import Node
from aliad.cli.copies import drop_copy
from aliad.cli.devnet_view import View
from aliad.cli.ordering import FEWEST_WORKERS, Wish, order_translation
from aliad.cli.output import Output
from aliad.cli.show import number
from aliad.errors import InputError

CUSTOMER: Final = 1
SERVE_SECONDS: Final = 300.0


def order_document(view: View, file: Path, output: Output) -> None:
    """Order it in the name of node 1, which has earned by training; writes it beside the file.

    Raises InputError if the model is not served in time; AliadError as `aliad translate` does.
    """
    output.say(f"\nNode {CUSTOMER} orders a translation from the network …")
    _wait_for_workers(view)
    node = Node(view.devnet.nodes[CUSTOMER].datadir, None, 60.0, yes=True, verbose=False)
    order_translation(Wish(file, model=view.job), node, output)
    for order in node.list("order.list"):  # nobody can fetch it from a network that is gone
        drop_copy(str(order["order"]))


def _wait_for_workers(view: View) -> None:
    deadline = time.monotonic() + SERVE_SECONDS
    while _count_workers(view) < FEWEST_WORKERS:
        if time.monotonic() > deadline:
            raise InputError(
                "too few nodes serve the model",
                f"an order needs {FEWEST_WORKERS}, and a network of as many that do not cheat",
                "Give --nodes 4 or more.",
            )
        time.sleep(0.5)


def _count_workers(view: View) -> int:
    offers = view.ask(CUSTOMER, "order.models")
    found = offers if isinstance(offers, list) else []
    served = [each for each in found if isinstance(each, dict) and each["job"] == view.job]
    return sum(number(each["workers"]) for each in served)
