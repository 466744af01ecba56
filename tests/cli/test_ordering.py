"""`aliad translate`: nothing is spent unasked, nothing is lost, and the text comes back."""

import io
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from docx import Document as WordDocument

from aliad.cli import access, following
from aliad.cli.choosing import choose_model
from aliad.errors import AliadError, InputError
from aliad.node.order_records import OrderPhase, OrderState
from aliad.rpc.client import Denied, TimedOut, Unreachable
from aliad.rpc.order_ports import ModelState
from aliad.rpc.ports import Refused
from aliad.rpc.wire import NOT_READY
from aliad.types import Hash32
from tests.cli.order_node import CAPITALS, TEXT, Capture, Node, offer, the_order, told


def test_a_document_comes_back_beside_its_source(node: Node, letter: Path, capsys: Capture) -> None:
    assert node("translate", letter, "--to", "de", "--yes", "--checks", "2.5", "--beam", "3") == 0
    written = letter.with_name("letter.de.txt")
    assert (letter.read_text(), written.read_text()) == (TEXT, CAPITALS)
    assert written.stat().st_mode & 0o777 == 0o640
    shown = capsys.readouterr()
    assert shown.out == ""
    for fact in (
        "0.0000077 ALIA",
        "0.000021 ALIA",
        "1 ALIA",
        "read by",
        "2.5 % checks",
        "3 sent",
        "700 mega-MAC",
    ):
        assert fact in shown.err
    assert "done: 2 of 2 sentences" in shown.err
    assert "It cost 0.0000075 ALIA" in shown.err
    ((texts, wish),) = node.orders.quoted.values()
    assert texts == ("The dog sleeps.", "It dreams.", "The dog sleeps.")
    assert (wish.beam, wish.overhead, wish.name) == (3, 25_000, "letter.txt")


def test_a_package_of_many_calls_keeps_its_form(
    node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aliad.cli.ordering.CALL_BYTES", 100)
    monkeypatch.setattr("aliad.cli.fetching.PAGE", 3)
    word = WordDocument()
    sentences = [f"This is sentence {number}." for number in range(20)]
    for sentence in sentences:
        word.add_paragraph(sentence)
    packed = io.BytesIO()
    word.save(packed)
    (tmp_path / "a.docx").write_bytes(packed.getvalue())
    assert node("translate", tmp_path / "a.docx", "--to", "de", "--yes", "-q") == 0
    again = WordDocument(str(tmp_path / "a.de.docx"))
    assert [paragraph.text for paragraph in again.paragraphs] == [s.upper() for s in sentences]


def piped(node: Node, text: str, *more: str) -> "subprocess.CompletedProcess[str]":
    program = [sys.executable, "-m", "aliad.cli.main", "translate", "-", "--from", "en"]
    return subprocess.run(
        [*program, "--to", "de", "--socket", str(node.path), *more],
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_pipe_gets_the_text_and_nothing_else(node: Node, state: Path) -> None:
    done = piped(node, TEXT, "--yes")
    assert (done.returncode, done.stdout) == (0, CAPITALS)
    assert "read by" in done.stderr
    assert "THE DOG" not in done.stderr
    order = the_order(node).order.hex()
    assert node("fetch", order, "-o", state / "again.txt") == 0
    assert (state / "again.txt").read_text() == CAPITALS
    assert (state / "again.txt").stat().st_mode & 0o777 == 0o600


def test_a_pipe_spends_nothing_unasked(node: Node, state: Path) -> None:
    done = piped(node, TEXT)
    assert (done.returncode, done.stdout) == (6, "")
    what, why, fix = done.stderr.splitlines()[-3:]
    assert what == "Nothing was ordered."
    assert "0.000021 ALIA" in why
    assert "--yes" in fix
    assert "cost" in done.stderr
    assert node.orders.known == {}
    assert not state.exists()


def test_the_user_is_asked(
    node: Node, letter: Path, state: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    asked: list[str] = []
    answers = [False, True]

    def confirm(_: access.Node, question: str) -> bool:
        asked.append(question)
        assert "read by" in capsys.readouterr().err  # what is agreed to was shown before
        assert not state.exists()
        return answers.pop(0)

    monkeypatch.setattr(access.Node, "confirm", confirm)
    assert node("translate", letter, "--to", "de", "-q") == 6
    assert node.orders.known == {}
    assert node("translate", letter, "--to", "de", "-q") == 0
    assert asked == ["Order this translation for about 0.0000077 ALIA?"] * 2
    assert letter.with_name("letter.de.txt").exists()


def test_no_more_is_spent_than_allowed_or_there(
    node: Node, letter: Path, state: Path, capsys: Capture
) -> None:
    assert node("translate", letter, "--to", "de", "--yes", "--most", "0.00002") == 6
    assert "more than the 0.00002 of --most" in told(capsys)[1]
    node.orders.balance = 20_999
    assert node("translate", letter, "--to", "de", "--yes") == 1
    assert told(capsys)[0] == "The balance does not cover this order."
    assert node("translate", letter, "--to", "de", "--yes", "--most", "x") == 3
    assert node("translate", letter) == 3
    assert node.orders.known == {}
    assert not state.exists()


def test_a_refused_order_leaves_nothing(
    node: Node, letter: Path, state: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    async def refuse(order: Hash32) -> OrderState:
        assert (state / order.hex()).is_dir()  # the copy is there before anything is spent
        raise Refused("the order was not taken", "the fee is too low", "Pay more.")

    monkeypatch.setattr(node.orders, "place", refuse)
    assert node("translate", letter, "--to", "de", "--yes") == 1
    assert told(capsys) == ["the order was not taken", "the fee is too low", "Pay more."]
    assert node.orders.known == {}
    assert list(state.iterdir()) == []
    assert not letter.with_name("letter.de.txt").exists()


def test_what_is_in_the_way_is_told_before_anything_is_spent(
    node: Node, letter: Path, capsys: Capture
) -> None:
    letter.with_name("letter.de.txt").write_text("mine")
    assert node("translate", letter, "--to", "de", "--yes") == 1
    assert "is there already" in told(capsys)[0]
    assert node("translate", letter.with_name("none.txt"), "--to", "de", "--yes") == 1
    assert "cannot be read" in told(capsys)[0]
    assert node.orders.quoted == {}
    assert letter.with_name("letter.de.txt").read_text() == "mine"


def test_nothing_to_translate_costs_nothing(node: Node, tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("```\ncode = 1\n```\n")
    assert node("translate", tmp_path / "a.md", "--to", "de") == 0
    assert (tmp_path / "a.de.md").read_text() == "```\ncode = 1\n```\n"
    assert node.orders.quoted == {}


def test_an_order_that_failed_says_why(node: Node, letter: Path, capsys: Capture) -> None:
    node.orders.ahead = [OrderPhase.FAILED]
    assert node("translate", letter, "--to", "de", "--yes") == 1
    what, why, fix = told(capsys)
    assert "is failed" in what
    assert why
    assert "--partial" in fix


def test_a_daemon_that_goes_leaves_a_way_on(
    node: Node, letter: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setattr(following, "PATIENCE_SECONDS", 0.05)
    real = access.Node.ask

    def ask(self: access.Node, method: str, /, **params: Any) -> Any:  # noqa: ANN401
        if method == "order.show":
            node.close()
        return real(self, method, **params)

    monkeypatch.setattr(access.Node, "ask", ask)
    assert node("translate", letter, "--to", "de", "--yes") == 2
    what, _, fix = told(capsys)
    assert "no daemon answers" in what
    assert f"aliad fetch {the_order(node).order.hex()[:12]}" in fix


def test_a_daemon_that_restarts_is_waited_for(
    node: Node, letter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures: list[AliadError] = [
        Unreachable("no daemon answers", "", ""),
        TimedOut("the daemon did not answer", "", ""),
        Denied(NOT_READY, "the daemon is starting"),
    ]
    real = access.Node.ask

    def ask(self: access.Node, method: str, /, **params: Any) -> Any:  # noqa: ANN401
        if method == "order.show" and failures:
            raise failures.pop()
        return real(self, method, **params)

    monkeypatch.setattr(access.Node, "ask", ask)
    assert node("translate", letter, "--to", "de", "--yes") == 0
    assert letter.with_name("letter.de.txt").read_text() == CAPITALS
    assert failures == []


def test_ctrl_c_leaves_the_order(node: Node, letter: Path, state: Path) -> None:
    node.orders.ahead = [OrderPhase.WAITING] * 10_000
    program = [sys.executable, "-m", "aliad.cli.main", "translate", str(letter), "--to", "de"]
    with subprocess.Popen(
        [*program, "--yes", "--socket", str(node.path)], stderr=subprocess.PIPE, text=True
    ) as waiting:
        deadline = time.monotonic() + 60
        while len(node.orders.ahead) > 9_999 and time.monotonic() < deadline:
            time.sleep(0.02)
        waiting.send_signal(signal.SIGINT)
        _, said = waiting.communicate(timeout=60)
    order = the_order(node).order.hex()
    assert waiting.returncode == 130
    lines = said.splitlines()[-3:]
    assert "goes on" in lines[0]
    assert f"aliad fetch {order[:12]}" in lines[1]
    assert f"aliad cancel {order[:12]}" in lines[2]
    assert (state / order).is_dir()


def test_an_order_that_was_not_taken_after_all_leaves_nothing(
    node: Node, letter: Path, state: Path, capsys: Capture
) -> None:
    node.orders.ahead = [OrderPhase.OPENING, OrderPhase.QUOTED]
    assert node("translate", letter, "--to", "de", "--yes") == 1
    assert "is not on the chain" in told(capsys)[0]
    assert node.orders.known == {}
    assert list(state.iterdir()) == []


def test_a_model_that_nobody_serves_is_not_ordered(
    node: Node, letter: Path, state: Path, capsys: Capture
) -> None:
    node.orders.offers = (offer(workers=0),)
    assert node("translate", letter, "--to", "de", "--yes") == 1
    assert told(capsys)[0] == "Nobody serves this model now."
    assert node.orders.known == {}
    node.orders.offers = (offer(workers=2),)
    assert node("translate", letter, "--to", "de", "--yes") == 0
    assert "wait until 3 workers" in capsys.readouterr().err


def test_models_of_strangers_cannot_steer_a_terminal_or_a_path(
    node: Node, letter: Path, capsys: Capture
) -> None:
    evil = offer(2, name="\x1b[2Jx", target="../../x", workers=99)
    node.orders.offers = (evil, offer(1))
    assert node("models") == 0
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "30.5" in shown
    assert node("translate", letter, "--model", "abcd02", "--yes") == 1
    assert node("translate", letter, "--from", "en", "--to", "../../x", "--yes") == 1
    assert [path.name for path in letter.parent.iterdir()] == ["letter.txt"]
    assert node("translate", letter, "--model", "abcd01", "--yes", "-q") == 0


def test_without_models_it_says_so(node: Node, letter: Path, capsys: Capture) -> None:
    node.orders.offers = ()
    assert node("models") == 0
    assert "no model" in capsys.readouterr().out
    assert node("translate", letter, "--to", "de") == 1
    assert "no model" in told(capsys)[0]


def views(*offers: ModelState) -> list[Any]:
    return [
        {
            "job": one.job.hex(),
            "source": one.source,
            "target": one.target,
            "workers": one.workers,
            "bleu": one.bleu,
        }
        for one in offers
    ]


def test_the_best_model_is_chosen() -> None:
    few = offer(1, workers=2, bleu=50.0)
    poor = offer(2, workers=5, bleu=20.0)
    good = offer(3, workers=5, bleu=31.0)
    same = offer(4, workers=5, bleu=31.0)
    unknown = offer(5, workers=5, bleu=None)
    french = offer(6, source="fr", target="en", workers=9)
    all_six = views(unknown, few, poor, good, same, french)

    def chosen(*wanted: str | None) -> str:
        return str(choose_model(all_six, *wanted)["job"])

    assert chosen(None, "en", "de") == good.job.hex()  # the newer of two that are equal
    assert chosen(None, None, "DE") == good.job.hex()
    assert chosen("abcd01", None, None) == few.job.hex()
    assert chosen(None, None, "en") == french.job.hex()


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ((None, "en", "fr"), "en → de"),
        ((None, None, "de"), "fr → de"),
        (("abcd02", "en", "de"), "fr → de"),
        (("abcd", None, "de"), "named by the job"),
        (("ffff", None, "de"), "named by the job"),
    ],
)
def test_an_unclear_choice_says_what_there_is(
    wanted: tuple[str | None, str | None, str | None], said: str
) -> None:
    with pytest.raises(InputError) as caught:
        choose_model(views(offer(1), offer(2, source="fr")), *wanted)
    assert said in caught.value.why
    assert len(str(caught.value).splitlines()) == 3


def test_ordering_needs_no_engine() -> None:
    program = (
        "import sys, aliad.cli.ordering, aliad.cli.orders, aliad.cli.translate\n"
        "sys.exit(sorted({'torch', 'numba', 'libp2p', 'plyvel'} & sys.modules.keys()) or 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
