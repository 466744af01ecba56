"""`aliad model`: from a sample corpus to a translation, for people and for programs."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from aliad.cli.main import main
from aliad.compute.model_sums import PARAMETERS, SUMS
from tests.cli.conftest import Tiny

Capture = pytest.CaptureFixture[str]


def records(text: str) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in text.splitlines()]
    assert all(record["v"] == 1 for record in found)
    return found


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_training_tells_programs_everything(tiny: Tiny, tmp_path: Path, capsys: Capture) -> None:
    assert main(tiny.train(tmp_path / "m", "--json", "-q", "--checkpoint", "0")) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    found = records(shown.out)
    rounds = [record for record in found if record["event"] == "round"]
    assert [record["round"] for record in rounds] == list(range(1, rounds[-1]["rounds"] + 1))
    assert {"loss", "epoch", "tokens_per_second", "seconds_left"} <= rounds[0].keys()
    saved = [record for record in found if record["event"] == "saved"]
    assert len(saved) == len(rounds)
    assert found[-1]["event"] == "finished"
    assert found[-1]["state"] == saved[-1]["state"]
    assert files(tmp_path / "m") == files(tiny.model)


def test_training_tells_people_where_it_is(tiny: Tiny, tmp_path: Path, capsys: Capture) -> None:
    assert main(tiny.train(tmp_path / "m", "--stop-after", "1")) == 0
    shown = capsys.readouterr()
    assert "Stopped after round 1 of" in shown.out
    for word in ("120 pairs read", "loss", "tokens/s", "left", "epoch 1/2"):
        assert word in shown.err
    assert "\x1b" not in shown.err
    assert not (tmp_path / "m").exists()


def test_a_failed_training_leaves_nothing(tiny: Tiny, tmp_path: Path, capsys: Capture) -> None:
    short = tmp_path / "short.de"
    short.write_text("eins\n")
    arguments = ["model", "train", str(tiny.folder / "spec.toml"), "-o", str(tmp_path / "m"), "-q"]
    source = str(tiny.folder / "train.en")
    assert main([*arguments, "--source", source, "--target", str(short)]) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert len(shown.err.splitlines()) == 3
    assert list(tmp_path.iterdir()) == [short]


def test_evaluation(tiny: Tiny, capsys: Capture) -> None:
    pair = ["--source", f"{tiny.folder}/test.en", "--target", f"{tiny.folder}/test.de"]
    assert main(["model", "eval", str(tiny.model), *pair, "--beam", "2", "--json"]) == 0
    (record,) = records(capsys.readouterr().out)
    assert (record["event"], record["lines"], record["beam"]) == ("evaluation", 10, 2)
    assert 0 <= record["bleu"] < 100
    assert "tok:13a" in record["bleu_signature"]
    assert "case:mixed" in record["bleu_signature"]
    assert record["loss"] > 0
    assert main(["model", "eval", str(tiny.model), *pair, "--beam", "1"]) == 0
    assert capsys.readouterr().out.startswith("BLEU ")


def test_translation_is_line_by_line(tiny: Tiny, tmp_path: Path, capsys: Capture) -> None:
    text = tmp_path / "in.txt"
    text.write_text("The dog sleeps.\n\nShe reads a book.\n")
    base = ["model", "translate", str(text), "--model", str(tiny.model), "--beam", "1"]
    base += ["--format", "lines"]
    assert main(base) == 0
    plain = capsys.readouterr().out
    assert len(plain.split("\n")) == 4
    assert plain.split("\n")[1] == ""
    assert main([*base, "--json"]) == 0
    found = records(capsys.readouterr().out)
    assert [record["target"] for record in found] == plain.split("\n")[:-1]
    assert [record["line"] for record in found] == [1, 2, 3]
    assert found[0]["score"] < 0
    assert main([*base, "-o", str(tmp_path / "out.txt")]) == 0
    assert capsys.readouterr().out == ""
    assert (tmp_path / "out.txt").read_text() == plain


@pytest.mark.parametrize("bad", [b"ok\n" + b"word " * 500 + b"\n", b"ok\n\xff\n"])
def test_a_line_that_cannot_be_translated_leaves_no_file(
    tiny: Tiny, tmp_path: Path, capsys: Capture, bad: bytes
) -> None:
    (tmp_path / "in.txt").write_bytes(bad)
    base = ["model", "translate", str(tmp_path / "in.txt"), "--model", str(tiny.model)]
    base += ["--format", "lines"]
    assert main([*base, "-o", str(tmp_path / "out.txt")]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert "ine 2" in lines[0]
    assert not (tmp_path / "out.txt").exists()


def test_a_truncated_model_is_refused(tiny: Tiny, tmp_path: Path, capsys: Capture) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(tiny.model, broken)
    whole = (broken / PARAMETERS).read_bytes()
    (broken / PARAMETERS).write_bytes(whole[:-1])
    pair = ["--source", f"{tiny.folder}/test.en", "--target", f"{tiny.folder}/test.de"]
    for arguments in (
        ["translate", "--model", str(broken)],
        ["eval", str(broken), *pair],
        ["show", str(broken)],
    ):
        assert main(["model", *arguments]) == 1
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) == 3
        assert PARAMETERS in lines[1]
    (broken / SUMS).unlink()
    assert main(["model", "show", str(broken)]) == 1
    assert main(["model", "show", str(tmp_path / "nothing")]) == 1
    assert "no such folder" in capsys.readouterr().err


def test_show_prints_the_card(tiny: Tiny, capsys: Capture) -> None:
    assert main(["model", "show", str(tiny.model)]) == 0
    assert "# tiny" in capsys.readouterr().out
    assert main(["model", "show", str(tiny.model), "--json"]) == 0
    (record,) = records(capsys.readouterr().out)
    assert len(bytes.fromhex(record["model"])) == 32
    assert record["epochs"] == 2


def test_sample_writes_a_corpus(tmp_path: Path, capsys: Capture) -> None:
    sizes = ["--train", "30", "--valid", "2", "--test", "2"]
    assert main(["model", "sample", "-o", str(tmp_path / "s"), *sizes]) == 0
    names = [Path(line).name for line in capsys.readouterr().out.splitlines()]
    assert names == ["train.en", "train.de", "valid.en", "valid.de", "test.en", "test.de"]
    assert main(["model", "sample", "-o", str(tmp_path / "s"), "--train", "-1"]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 3


def test_not_a_number_is_null_for_programs(capsys: Capture) -> None:
    from aliad.cli.output import Output

    Output(True, False).record("x", {"a": float("inf"), "b": 1.5})
    assert records(capsys.readouterr().out) == [{"v": 1, "event": "x", "a": None, "b": 1.5}]
