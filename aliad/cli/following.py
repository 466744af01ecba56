"""Waiting for an order, and what is told when the waiting ends early."""

import contextlib
import time
from collections.abc import Iterator
from typing import Final

from aliad.cli.access import Node, Object
from aliad.cli.output import Interrupted, Output
from aliad.cli.progress import meter
from aliad.cli.show import alia, clear, counted, number
from aliad.errors import AliadError
from aliad.rpc.client import Denied, TimedOut, Unreachable
from aliad.rpc.wire import NOT_READY

OVER: Final = frozenset({"done", "cancelled", "failed"})
SETTLING: Final = "settling"
QUOTED: Final = "quoted"
PATIENCE_SECONDS: Final = 120.0  # for a daemon that restarts
POLL_SECONDS: Final = 1.0
SETTLE_POLLS: Final = 5


def wait_for(order: str, node: Node, output: Output) -> Object:
    """The order when all of it is translated and checked, it is over, or it was not taken.

    Shows how far it is. A daemon may restart meanwhile.
    """
    missed: float | None = None
    shown: tuple[int, int, str] | None = None
    with meter(output.quiet) as view:
        while True:
            try:
                found = node.ask("order.show", order=order)
            except (Unreachable, TimedOut, Denied) as error:
                missed = missed or time.monotonic()
                lasting = time.monotonic() - missed > PATIENCE_SECONDS
                if lasting or (isinstance(error, Denied) and error.code != NOT_READY):
                    raise
                time.sleep(POLL_SECONDS)
                continue
            missed = None
            state = (number(found["done"]), number(found["sources"]), describe_progress(found))
            if state != shown:
                view.update(*state)
                shown = state
            if found["phase"] in (*OVER, SETTLING, QUOTED):
                return _settled(found, node)
            time.sleep(POLL_SECONDS)


def _settled(found: Object, node: Node) -> Object:
    """An order that is over, with what it cost: its node looks that up a moment later."""
    for _ in range(SETTLE_POLLS):
        if found["phase"] != "done" or number(found["paid_nano"]):
            break
        time.sleep(POLL_SECONDS)
        found = node.ask("order.show", order=str(found["order"]))
    return found


def describe_progress(found: Object) -> str:
    """How far an order is, in a line."""
    checks = counted(found["checks"], "check") + " open" if found["checks"] else ""
    if found["phase"] == SETTLING:
        checks = "paid when its workers cannot be convicted any more"
    parts = [
        f"{found['phase']}: {found['done']} of {counted(found['sources'], 'sentence')}",
        f"{found['recorded']} of {counted(found['batches'], 'batch')}",
        checks,
        counted(found["workers"], "worker"),
        clear(found["reason"]),
    ]
    return ", ".join(part for part in parts if part)


def require_done(found: Object) -> None:
    """Raise AliadError, with the reason, unless the order is done."""
    short = str(found["order"])[:12]
    match found["phase"]:
        case "done" | "settling":
            return
        case "cancelled" | "failed" as phase:
            raise AliadError(
                f"The order {short} is {phase}.",
                clear(found["reason"]) or "It was stopped before all was translated.",
                f"`aliad fetch {short} --partial` writes what was translated.",
            )
        case "quoted":
            raise AliadError(
                f"The order {short} is not on the chain; nothing is set aside.",
                clear(found["reason"]) or "It was quoted and not placed.",
                "Order the document again with `aliad translate`.",
            )
        case _:
            raise AliadError(
                f"The order {short} is not done.",
                f"It is {describe_progress(found)}.",
                f"`aliad fetch {short} --wait` waits; --partial takes what is here, unchecked.",
            )


def describe_cost(found: Object) -> str:
    """What an order cost of which everything is translated and checked."""
    cost = f"It cost {alia(found['paid_nano'])} ALIA"
    if found["phase"] != SETTLING:
        return f"{cost}; the rest of the escrow is back"
    if not number(found["escrow_nano"]):
        return f"{cost}, all that was set aside"
    left = alia(found["escrow_nano"])
    return f"{cost}; the other {left} ALIA come back when its workers are paid, in minutes"


@contextlib.contextmanager
def going_on(order: str) -> Iterator[None]:
    """While an order may be running: whatever ends the verb, say how to go on with the order."""
    short = order[:12]
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted(
            f"Interrupted; the order {short} goes on while the daemon runs.",
            f"`aliad fetch {short}` writes the translation when it is done.",
            f"`aliad cancel {short}` stops it.",
        ) from None
    except AliadError as error:
        error.fix = f"The order is not lost: `aliad fetch {short}`, with -o to write elsewhere."
        raise
