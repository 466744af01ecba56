"""The small pieces around the node: notifying, logging, metrics, pauses, setting up."""

import io
import json
import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
import trio.testing

from aliad.config.loading import Sources, load_config
from aliad.crypto import key_from_seed
from aliad.daemon.bugreport import collect, redact
from aliad.daemon.cheating import change_word, turn_around
from aliad.daemon.curves import Curve
from aliad.daemon.failures import BUG, CONFIG, DAMAGED, DISK, FAILED, exit_code, find_reason
from aliad.daemon.founding import found_network, make_genesis
from aliad.daemon.home import Home, find_home
from aliad.daemon.logs import set_up_logging
from aliad.daemon.metrics import Figure, Metrics, serve_metrics
from aliad.daemon.notify import Notifier
from aliad.daemon.ordering import NoOrders
from aliad.daemon.pausing import Leave, Moment, is_in_pause
from aliad.daemon.setup import Wishes, set_up
from aliad.daemon.state import Life
from aliad.daemon.worker import tell_want
from aliad.errors import ConfigError, InputError, LocalProtocolError, StoreCorrupt
from aliad.keys.files import make_key, read_key, write_key
from aliad.node.order_records import OrderWish
from aliad.rpc.order_ports import OrdersPort
from aliad.rpc.ports import Refused
from aliad.spec.order import Passage
from aliad.store.kv import StoreBusy, StoreFailed
from aliad.types import BatchIndex, Hash32, JobId, Millis, Power, Ppm, Round
from aliad.work.orders.provider import Obtain
from aliad.work.orders.translator import Translate

KEY = key_from_seed(bytes(range(32)))


def test_systemd_is_told_and_its_absence_is_no_error(tmp_path: Path) -> None:
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(path))
        notifier = Notifier({"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": "30000000"})
        notifier.tell(ready="1", status="block 7")
        assert listening.recv(1000) == b"READY=1\nSTATUS=block 7"
    assert notifier.watchdog_seconds == 30
    notifier.tell(ready="1")
    Notifier({}).tell(ready="1")
    other = Notifier({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"})
    assert other.watchdog_seconds == 0


def test_the_abstract_namespace_works_too() -> None:
    name = f"aliad-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind("\0" + name)
        Notifier({"NOTIFY_SOCKET": "@" + name}).tell(stopping="1")
        assert listening.recv(1000) == b"STOPPING=1"


@pytest.fixture
def root_logger() -> Iterator[None]:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield
    root.handlers[:] = before
    root.setLevel(level)


@pytest.mark.usefixtures("root_logger")
def test_logs_are_json_lines_elsewhere_than_on_a_terminal() -> None:
    stream = io.StringIO()
    set_up_logging("info", "auto", {}, stream)
    logging.getLogger("aliad.node.chain").info("block %d", 7)
    logging.getLogger("aliad.node.chain").debug("unseen")
    logging.getLogger("libp2p.host").error("many\nlines")
    try:
        raise ValueError("why")
    except ValueError:
        logging.getLogger("aliad.x").exception("broke")
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["event"] for line in lines] == ["block 7", "broke"]
    assert lines[0]["part"] == "node.chain"
    assert "ValueError: why" in lines[1]["exception"]


@pytest.mark.usefixtures("root_logger")
def test_the_journal_gets_priorities(tmp_path: Path) -> None:
    with (tmp_path / "journal").open("w+") as stream:
        found = os.fstat(stream.fileno())
        journal = {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"}
        set_up_logging("info", "json", journal, stream)
        logging.getLogger("aliad").warning("careful")
        logging.getLogger("aliad").info("fine")
        stream.seek(0)
        first, second = stream.read().splitlines()
    assert first.startswith("<4>{")
    assert second.startswith("<6>{")


@pytest.mark.usefixtures("root_logger")
def test_a_key_does_not_get_into_the_log() -> None:
    stream = io.StringIO()
    set_up_logging("debug", "console", {}, stream)
    logging.getLogger("aliad").info("key %r of %s", KEY, {"key": KEY})
    assert KEY.seed.hex() not in stream.getvalue()
    assert repr(KEY.seed) not in stream.getvalue()
    assert repr(KEY.secret) not in stream.getvalue()


async def fetch(port: int, request: bytes) -> bytes:
    answer = b""
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        with trio.fail_after(60):
            try:
                await stream.send_all(request)
                while piece := await stream.receive_some(65536):
                    answer += piece
            except trio.BrokenResourceError:
                pass  # cut off
    return answer


@pytest.mark.trio
async def test_metrics_are_served_on_loopback() -> None:
    metrics = Metrics()
    metrics.sources.append(
        lambda: iter(
            [
                Figure("aliad_x", "X.", 3.0, (("way", "in"),)),
                Figure("aliad_x", "X.", 4.0, (("way", "out"),)),
                Figure("aliad_y", "Y.", 5.0, counter=True),
            ]
        )
    )
    async with trio.open_nursery() as nursery:
        port = await nursery.start(serve_metrics, metrics, 0)
        for path, expected in (("/metrics", b"200 OK"), ("/other", b"404")):
            answer = await fetch(port, f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            assert expected in answer
            if path == "/metrics":
                assert b'aliad_x{way="in"} 3.0' in answer
                assert b"aliad_y_total 5.0" in answer
        assert await fetch(port, b"x" * 20_000) == b""
        assert (await fetch(port, b"GET /metrics HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 200")
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_a_taken_port_is_a_matter_of_configuration() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ConfigError, match="cannot be used"):
            await serve_metrics(Metrics(), taken.getsockname()[1])


@pytest.mark.parametrize(
    ("entries", "day", "clock", "paused"),
    [
        (["08:00-18:00"], 0, "08:00", True),
        (["08:00-18:00"], 0, "18:00", False),
        (["mon-fri 08:00-18:00"], 5, "12:00", False),
        (["mon-fri 08:00-18:00"], 4, "12:00", True),
        (["sat 22:00-06:00"], 6, "05:59", True),
        (["sat 22:00-06:00"], 5, "05:59", False),
        (["sat 22:00-06:00"], 5, "23:00", True),
        (["sat-mon 00:00-24:00"], 6, "23:59", True),
        (["sat-mon 00:00-24:00"], 2, "00:00", False),
        ([], 0, "12:00", False),
    ],
)
def test_schedules(entries: list[str], day: int, clock: str, paused: bool) -> None:
    hours, minutes = clock.split(":")
    moment = Moment(day, int(hours) * 60 + int(minutes))
    assert bool(is_in_pause(entries, moment)) is paused


def test_a_pause_ends_and_a_hot_gpu_cools_down_first() -> None:
    leave, noon = Leave(), Moment(0, 720)

    def reason(now: float, heat: float | None = None) -> str:
        return leave.reason(now, noon, (), heat, 80)

    assert reason(0) == ""
    leave.pause(until=10)
    assert "operator" in reason(9)
    assert leave.seconds_left(9) == 1
    assert reason(10) == ""
    leave.pause(None)
    assert "operator" in reason(10**9)
    leave.resume()
    assert "81 °C" in reason(0, 81)
    assert "76 °C" in reason(0, 76)
    assert reason(0, 75) == ""
    assert reason(0, 79) == ""


def test_the_reason_that_explains_most_is_found() -> None:
    group = BaseExceptionGroup(
        "x",
        [
            LocalProtocolError("bug"),
            BaseExceptionGroup("y", [StoreCorrupt("damage"), ConfigError("config")]),
        ],
    )
    assert exit_code(find_reason(group)) == DAMAGED
    for error, code in (
        (ConfigError("x"), CONFIG),
        (StoreBusy("x"), CONFIG),
        (StoreFailed("x"), DISK),
        (ZeroDivisionError(), BUG),
        (OSError(), FAILED),
    ):
        assert exit_code(error) == code


def test_a_founder_sets_up_a_network_and_another_joins(tmp_path: Path) -> None:
    made = found_network(Wishes(tmp_path / "a", "", None), "my-net")
    assert made.genesis is not None
    assert [member.node for member in made.genesis.validators.members] == [made.node]
    joined = set_up(
        Wishes(tmp_path / "b", "", made.genesis, bootstrap=(), listen=("/ip4/127.0.0.1/tcp/9",))
    )
    config = load_config(Sources({"STATE_DIRECTORY": str(tmp_path / "b")}, {}))
    home = find_home(config)
    assert home.genesis() == made.genesis
    assert home.key(None).node_id == joined.node
    assert config.settings.net.listen == ("/ip4/127.0.0.1/tcp/9",)
    assert not home.unsigned_path.exists()
    assert set_up(Wishes(tmp_path / "b", "", made.genesis)).fresh == ()


def test_an_imported_key_does_not_vote_at_once(tmp_path: Path) -> None:
    """Its log is made by the daemon, later, and waits for the network."""
    genesis = make_genesis("net", {KEY.node_id: Power(1)}, [])
    set_up(Wishes(tmp_path, "", genesis, key=KEY))
    home = Home(tmp_path, "net")
    assert not any(home.layout.signer.iterdir())
    assert not home.unsigned_path.exists()


def test_init_never_replaces_a_key_or_a_genesis(tmp_path: Path) -> None:
    first = set_up(Wishes(tmp_path, "net", None))
    with pytest.raises(InputError, match="there is a key"):
        set_up(Wishes(tmp_path, "net", None, key=KEY))
    one = make_genesis("net", {KEY.node_id: Power(1)}, [])
    two = make_genesis("net", {KEY.node_id: Power(2)}, [])
    set_up(Wishes(tmp_path, "", one))
    with pytest.raises(InputError, match="another genesis"):
        set_up(Wishes(tmp_path, "", two))
    assert Home(tmp_path, "net").key(None).node_id == first.node


@pytest.mark.parametrize("name", ["", "Net", "../x", "a" * 64, "a b"])
def test_names_that_are_no_folders_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises((InputError, ConfigError)):
        set_up(Wishes(tmp_path, name, None))


def test_two_chains_need_a_choice(tmp_path: Path) -> None:
    found_network(Wishes(tmp_path, "", None), "one")
    (tmp_path / "aliad.toml").unlink()
    found_network(Wishes(tmp_path, "", None), "two")
    (tmp_path / "aliad.toml").unlink()
    environment = {"STATE_DIRECTORY": str(tmp_path)}
    with pytest.raises(ConfigError, match="2 chains"):
        find_home(load_config(Sources(environment, {})))
    assert find_home(load_config(Sources(environment, {"node.chain": "two"}))).chain == "two"
    with pytest.raises(ConfigError, match="there is no chain three"):
        find_home(load_config(Sources(environment, {"node.chain": "three"})))


def test_a_report_names_no_hosts_users_or_keys(tmp_path: Path) -> None:
    peer = "12D3KooWAi5q4rHikC9N4ZqocRNBpXfM1fGYcMdsrPPxfctJ5855"
    text = redact(f"/ip4/203.0.113.7/tcp/1/p2p/{peer} /dns4/example.org/tcp/2 /home/jane/x")
    for secret in ("203.0.113.7", "example.org", "jane", peer):
        assert secret not in text
    key = make_key()
    write_key(tmp_path / "net" / "keys" / "node.key", key, None, replace=False)
    address = f"/ip4/203.0.113.7/tcp/1/p2p/{peer}"
    config = load_config(Sources({"STATE_DIRECTORY": str(tmp_path)}, {"net.bootstrap": address}))
    files = collect(config, {"node.status": {"peer_id": peer}}, "fine", None)
    whole = b"".join(files.values()).decode()
    assert "203.0.113.7" not in whole
    assert peer not in whole
    assert key.seed.hex() not in whole
    assert read_key(tmp_path / "net" / "keys" / "node.key", None) == key


def test_a_cheater_changes_values_and_nothing_else() -> None:
    head = json.dumps(
        {
            "__metadata__": {"format": "pt"},
            "scales/a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]},
            "values/a": {"dtype": "I8", "shape": [2], "data_offsets": [4, 6]},
            "values/b": {"dtype": "I8", "shape": [3], "data_offsets": [6, 9]},
        }
    ).encode()
    update = len(head).to_bytes(8, "little") + head + b"\1\2\3\4" + b"\0\0" + b"\1\xff\x7f"
    lie = turn_around(update)
    assert lie[:-3] == update[:-3]
    assert lie[-3:] == b"\xff\x01\x81"
    assert turn_around(lie) == update


@pytest.mark.parametrize("ids", [(), (7,), (7, 8, 50), (50,), (9,) * 40])
def test_a_cheater_changes_one_word_into_another(ids: tuple[int, ...]) -> None:
    """What it says is a passage that customer and checkers can read, and never the truth."""
    lie = change_word(Passage(ids, 3))
    assert lie == change_word(Passage(ids, 3))
    assert lie.ids != ids
    assert len(lie.ids) == max(1, len(ids))
    assert lie.ids[:-1] == ids[:-1]
    assert all(4 <= each < 4 + 256 for each in lie.ids)


def test_wants_are_told_in_words() -> None:
    model, job = JobId(Hash32(b"\xab" * 32)), JobId(Hash32(b"\xcd" * 32))
    assert tell_want(Obtain(model)) == "obtain model abababab"
    batch = Translate(job, Round(2), BatchIndex(1))
    assert tell_want(batch) == "translate batch 1 of round 2 of job cdcdcdcd"


@pytest.mark.trio
async def test_a_node_without_devices_says_so_to_customers() -> None:
    nobody: OrdersPort = NoOrders()
    with pytest.raises(Refused, match="orders no translations"):
        await nobody.models()
    assert nobody.orders() == ()
    wish = OrderWish(JobId(Hash32(bytes(32))), 1, Ppm(0), Millis(1000), "x")
    with pytest.raises(Refused, match="orders no translations") as caught:
        await nobody.quote(("text",), wish)
    assert "work.devices" in str(caught.value)


@pytest.mark.trio
async def test_a_part_that_fails_is_named_and_started_again(
    autojump_clock: trio.testing.MockClock,
) -> None:
    life, tries = Life(), 0

    async def run() -> None:
        nonlocal tries
        tries += 1
        await trio.sleep(1)
        if tries < 3:
            raise ZeroDivisionError("boom")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(life.contain, "it", run)
        await trio.sleep(1.5)
        assert life.warnings() == ("it failed: ZeroDivisionError: boom",)
    assert tries == 3
    assert life.warnings() == ()

    async def fail() -> None:
        raise StoreFailed("the disk is full")

    with pytest.raises(StoreFailed):
        await life.contain("it", fail)


def test_a_drain_asked_twice_is_a_stop() -> None:
    life = Life()
    life.ask_to_stop(drain=True)
    assert life.draining
    assert not life.stop.is_set()
    life.ask_to_stop(drain=True)
    assert life.stop.is_set()


def test_a_job_without_reports_has_no_curve() -> None:
    curve = Curve(JobId(bytes(32)))
    assert (curve.losses(), curve.tokens_per_second(), curve.seconds_left(10)) == ((), 0.0, None)
