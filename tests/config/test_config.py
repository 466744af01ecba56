"""Configuration: who wins, where a value came from, and what is said about mistakes."""

from pathlib import Path

import pytest

from aliad.config.loading import Config, Sources, compare_settings, load_config
from aliad.config.sample import sample_text
from aliad.config.settings import DECLARED
from aliad.config.values import from_text, from_toml, to_toml
from aliad.errors import ConfigError

ROOT = Path(__file__).parents[2]


def load(folder: Path, text: str = "", env: dict[str, str] | None = None, **flags: str) -> Config:
    """A node of `folder`, whose configuration file says `text`."""
    data = folder / "data"
    data.mkdir(exist_ok=True)
    (data / "aliad.toml").write_text(text)
    environment = {
        "XDG_CONFIG_HOME": str(folder / "xdg"),
        "ALIAD_NODE__DATADIR": str(data),
        **(env or {}),
    }
    return load_config(
        Sources(environment, {name.replace("__", "."): value for name, value in flags.items()})
    )


def test_later_sources_win_and_are_named(tmp_path: Path) -> None:
    user = tmp_path / "xdg" / "aliad"
    user.mkdir(parents=True)
    (user / "aliad.toml").write_text("[work]\nthreads = 2\nnice = 3\n[net]\ntarget_degree = 5\n")
    config = load(
        tmp_path,
        '[work]\nthreads = 3\nmemory = "3 GiB"\n',
        {"ALIAD_NET__TARGET_DEGREE": "6", "ALIAD_LOG__LEVEL": "debug"},
        log__level="error",
    )
    work, origins = config.settings.work, config.origins
    assert (work.threads, work.nice, work.memory) == (3, 3, 3 << 30)
    assert origins["work.threads"] == str(tmp_path / "data" / "aliad.toml")
    assert origins["work.nice"] == str(user / "aliad.toml")
    assert (config.settings.net.target_degree, config.settings.log.level) == (6, "error")
    assert origins["net.target_degree"] == "ALIAD_NET__TARGET_DEGREE"
    assert origins["log.level"] == "flag"
    assert origins["work.devices"] == "default"
    assert config.datadir == tmp_path / "data"
    assert config.socket == tmp_path / "data" / "aliad.sock"


def test_a_chain_presets_what_nobody_sets(tmp_path: Path) -> None:
    config = load(tmp_path, '[node]\nchain = "devnet"\n[consensus]\ndelta = "250 ms"\n')
    assert config.settings.net.listen == ("/ip4/127.0.0.1/tcp/0",)
    assert config.origins["net.listen"] == "preset devnet"
    assert config.settings.consensus.delta == 0.25


@pytest.mark.parametrize(
    ("text", "what", "fix"),
    [
        ("[net]\nlistn = []", "there is no setting net.listn", "Did you mean net.listen?"),
        ("[nett]\n", "there is no setting nett", "Did you mean net?"),
        ("net = 3", "net in", "Write [net]"),
        ("[net]\nlisten = 3", "net.listen cannot be 3", "Correct it in"),
        ('[net]\nlisten = ["/ip4/1.2.3.4/tcp/70000"]', "net.listen cannot be", "Correct it"),
        ('[net]\nbootstrap = ["/ip4/1.2.3.4/tcp/1"]', "net.bootstrap cannot be", "Correct it"),
        ("[work]\nthreads = true", "work.threads cannot be True", "Correct it"),
        ("[work]\nthreads = 0", "work.threads cannot be 0", "Correct it"),
        ('[work]\npause = ["8-9"]', "work.pause cannot be", "Correct it"),
        ('[blobs]\nbytes = "3 parsecs"', "blobs.bytes cannot be", "Correct it"),
        ("[consensus]\ndelta = nan", "consensus.delta cannot be nan", "Correct it"),
        ("[consensus]\ndelta = 9.0", "consensus.max_block_interval is shorter", "Raise"),
        ("[net\n", "is not a TOML file", "config sample"),
        (f'[rpc]\nsocket = "/{"x" * 120}"', "the socket's path", "Set rpc.socket"),
    ],
)
def test_mistakes_are_told_in_three_lines(tmp_path: Path, text: str, what: str, fix: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    lines = str(caught.value).splitlines()
    assert len(lines) == 3
    assert what in lines[0]
    assert fix in lines[2]


@pytest.mark.parametrize("variable", ["ALIAD_NET__LISTN", "ALIAD_NTE__LISTEN"])
def test_an_unknown_variable_is_a_mistake_too(tmp_path: Path, variable: str) -> None:
    with pytest.raises(ConfigError, match=r"there is no setting") as caught:
        load(tmp_path, "", {variable: "x"})
    assert caught.value.fix == "Did you mean net.listen?"


def test_other_variables_of_ours_are_left_alone(tmp_path: Path) -> None:
    assert load(tmp_path, "", {"ALIAD_DATA": "/data"}).settings.net.bootstrap == ()


def test_a_file_may_not_move_the_directory_it_lies_in(tmp_path: Path) -> None:
    (tmp_path / "aliad.toml").write_text('[node]\ndatadir = "/elsewhere"\n')
    environment = {"XDG_CONFIG_HOME": str(tmp_path / "xdg"), "STATE_DIRECTORY": str(tmp_path)}
    with pytest.raises(ConfigError, match=r"node\.datadir"):
        load_config(Sources(environment, {}))


def test_every_value_survives_being_written() -> None:
    for declared in DECLARED.values():
        import tomllib

        written = to_toml(declared, declared.default)
        assert from_toml(declared, tomllib.loads(f"x = {written}")["x"]) == declared.default


def test_words_become_values() -> None:
    assert from_text(DECLARED["work.devices"], "cpu, cuda:1") == ("cpu", "cuda:1")
    assert from_text(DECLARED["blobs.bytes"], "1.5 GiB") == 3 << 29
    assert from_text(DECLARED["metrics.enabled"], "yes") is True


def test_the_sample_is_current_and_means_the_defaults(tmp_path: Path) -> None:
    text = (ROOT / "examples" / "aliad.toml").read_text()
    assert text == sample_text(), "run: aliad config sample > examples/aliad.toml"
    switched_on = "\n".join(
        line[1:] if line.startswith("#") and not line.startswith("# ") else line
        for line in text.splitlines()
    ).replace('datadir = ""\n', "")
    assert load(tmp_path, switched_on).settings.work == load(tmp_path).settings.work


def test_what_needs_a_restart_is_known(tmp_path: Path) -> None:
    old = load(tmp_path).settings
    new = load(tmp_path, '[log]\nlevel = "debug"\n[work]\nthreads = 7\n').settings
    changes = compare_settings(old, new)
    assert (changes.live, changes.restart) == (("log.level",), ("work.threads",))


def test_a_relative_data_directory_counts_from_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "node").mkdir()
    (tmp_path / "node" / "aliad.toml").write_text("[work]\nthreads = 3\n")
    monkeypatch.chdir(tmp_path)
    config = load_config(Sources({}, {"node.datadir": "node"}))
    assert config.datadir == tmp_path / "node"
    assert config.settings.work.threads == 3
