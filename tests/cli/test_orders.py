"""`aliad fetch`, `cancel`, `orders`: an order is never out of reach, and leaves when told to."""

import json
import os
import subprocess
import sys
from pathlib import Path

from aliad.node.order_records import OrderPhase
from aliad.types import Hash32
from tests.cli.order_node import CAPITALS, Capture, Node, detached, the_order, told
from tests.rpc.ordered import make_ordered
from tests.rpc.world import FakeOrders


def test_an_order_is_fetched_from_its_copy_however_late(
    node: Node, letter: Path, state: Path, capsys: Capture
) -> None:
    order = detached(node, letter, capsys)
    kept = state / order
    assert {path.name for path in kept.iterdir()} == {"source", "order.json"}
    assert kept.stat().st_mode & 0o777 == 0o700
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in kept.iterdir())
    letter.write_text("Something else.")
    assert node("fetch", order[:8]) == 1
    what, why, fix = told(capsys)
    assert "is not done" in what
    assert "translating: 2 of 2 sentences" in why
    assert "--wait" in fix
    assert not letter.with_name("letter.de.txt").exists()
    assert node("fetch", order[:8], "--wait") == 0
    assert letter.with_name("letter.de.txt").read_text() == CAPITALS
    assert letter.read_text() == "Something else."
    assert node("fetch", order[:8]) == 1
    assert "is there already" in told(capsys)[0]
    assert node("fetch", order[:8], "-o", letter, "--force") == 1
    assert "is the document" in told(capsys)[1]
    assert node("fetch", order[:8], "-o", letter.with_name("b.txt")) == 0
    assert letter.with_name("b.txt").read_text() == CAPITALS


def test_a_translation_is_handed_over_before_its_money_moves(
    node: Node, letter: Path, capsys: Capture
) -> None:
    node.orders.ahead = [OrderPhase.CHECKING, OrderPhase.SETTLING]
    assert node("translate", letter, "--to", "de", "--yes", "--patience", "2.5") == 0
    assert letter.with_name("letter.de.txt").read_text() == CAPITALS
    shown = capsys.readouterr().err
    assert "checking: 2 of 2 sentences" in shown
    assert "the other 0.000021 ALIA come back when its workers are paid" in shown
    ((_, wish),) = node.orders.quoted.values()
    assert wish.round_ms == 2_500
    assert node("fetch", the_order(node).order.hex(), "-o", letter.with_name("b.txt")) == 0


def test_terms_are_kept_with_the_copy(node: Node, letter: Path, capsys: Capture) -> None:
    terms = letter.with_name("terms.tsv")
    terms.write_text("dog\tHund\n")
    order = detached(node, letter, capsys, "--glossary", str(terms))
    terms.unlink()
    assert node("fetch", order, "--wait", "-q") == 0
    assert letter.with_name("letter.de.txt").read_text().count("Hund") == 2
    assert (node.orders.quoted[Hash32(bytes.fromhex(order))][0])[0] == "The X1 sleeps."


def test_without_its_copy_an_order_needs_the_same_file(
    node: Node, letter: Path, state: Path, capsys: Capture
) -> None:
    order = detached(node, letter, capsys)
    node.orders.ahead = [OrderPhase.DONE] * 9
    for path in (state / order).iterdir():
        path.unlink()
    assert node("fetch", order) == 1
    assert "cannot be used" in told(capsys)[0]
    (state / order).rmdir()
    assert node("fetch", order) == 1
    assert "--source" in told(capsys)[2]
    other = letter.with_name("other.txt")
    other.write_text("The cat sleeps. It dreams.\n\nThe dog sleeps.\n")
    assert node("fetch", order, "--source", other) == 1
    assert "does not have the sentences" in told(capsys)[0]
    assert node("fetch", order, "--format", "txt") == 3
    assert node("fetch", order, "--source", letter, "--format", "txt") == 0
    assert letter.with_name("letter.de.txt").read_text() == CAPITALS
    assert not other.with_name("other.de.txt").exists()


def test_a_part_can_be_had(node: Node, letter: Path, capsys: Capture) -> None:
    order = detached(node, letter, capsys)
    node.orders.missing = 1
    node.orders.ahead = []
    assert node("fetch", order, "--partial", "--json") == 0
    shown = capsys.readouterr()
    assert "1 sentence not translated" in shown.err
    found = [json.loads(line) for line in shown.out.splitlines()]
    assert [one.get("target") for one in found] == ["THE DOG SLEEPS.", "IT DREAMS.", None, None]
    assert found[-1]["missing"] == 1
    part = letter.with_name("letter.de.txt").read_text()
    assert part == "THE DOG SLEEPS. IT DREAMS.\n\nThe dog sleeps.\n"


def test_the_copy_of_a_lost_order_can_be_removed(
    node: Node, letter: Path, state: Path, capsys: Capture
) -> None:
    order = detached(node, letter, capsys)
    node.orders.known.clear()
    (state / ".half").mkdir()
    os.utime(state / ".half", (0, 0))
    other = letter.with_name("other.txt")
    other.write_text("Another text.\n")
    kept = detached(node, other, capsys)
    assert {path.name for path in state.iterdir()} == {order, kept}
    assert node("orders", "--forget", order[:9]) == 0
    assert [path.name for path in state.iterdir()] == [kept]
    assert node("orders", "--forget", order[:9]) == 1
    assert len(told(capsys)) == 3


def test_an_order_is_cancelled_when_the_user_agrees(
    node: Node, letter: Path, capsys: Capture
) -> None:
    order = detached(node, letter, capsys)
    node.orders.ahead = []
    assert node("cancel", order[:8]) == 6
    assert told(capsys)[0] == "Nothing was cancelled."
    assert the_order(node).phase is OrderPhase.TRANSLATING
    assert node("cancel", order[:8], "--yes") == 0
    assert "0.000021 ALIA come back" in capsys.readouterr().out
    assert the_order(node).phase is OrderPhase.CANCELLED
    assert node("fetch", order) == 1
    assert "is cancelled" in told(capsys)[0]


def test_orders_are_listed_and_forgotten(
    node: Node, letter: Path, state: Path, capsys: Capture
) -> None:
    assert node("orders") == 0
    assert capsys.readouterr().out == "nothing was ordered\n"
    order = detached(node, letter, capsys)
    assert node("orders") == 0
    shown = capsys.readouterr().out
    assert order[:12] in shown
    assert "en → de" in shown
    assert node("orders", "--json") == 0
    (item,) = json.loads(capsys.readouterr().out)["items"]
    assert (item["order"], item["phase"]) == (order, "done")
    assert node("orders", "--forget", "over") == 6
    assert (state / order).is_dir()
    assert node("orders", "--forget", "over", "--yes") == 0
    assert node.orders.known == {}
    assert list(state.iterdir()) == []
    assert node("fetch", order) == 1
    assert "no orders begin" in told(capsys)[0]


def test_shells_complete_orders(node: Node, letter: Path, capsys: Capture) -> None:
    order = detached(node, letter, capsys)
    asked = {"_ALIAD_COMPLETE": "bash_complete", "COMP_CWORD": "2"}
    done = subprocess.run(
        [sys.executable, "-c", "import aliad.cli.main as m; m.cli(prog_name='aliad')"],
        env={
            **os.environ,
            **asked,
            "COMP_WORDS": f"aliad fetch {order[:3]}",
            "ALIAD_RPC__SOCKET": str(node.path),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == f"plain,{order[:12]}\n"


def test_a_job_that_is_an_order_shows_as_one(tmp_path: Path, capsys: Capture) -> None:
    chain, model, order = make_ordered(0)
    order.open()
    node = Node(tmp_path, FakeOrders(), chain)
    try:
        assert node("job", "list") == 0
        assert "translation" in capsys.readouterr().out
        assert node("job", "show", order.id.hex()) == 0
        shown = capsys.readouterr().out
        assert "translation order" in shown
        assert model.hex() in shown
        assert "ALIA are left of it" in shown
        assert "loss" not in shown
        assert node("job", "show", model.hex()) == 0
        assert "epoch" in capsys.readouterr().out
    finally:
        node.close()
