"""Addresses, the address book and the files that keep it."""

import logging
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aliad.errors import RemoteProtocolError
from aliad.net.peers.address_book import (
    MAX_ADDRESSES,
    MAX_FAILURES,
    MAX_PEERS,
    MAX_PER_TELLER,
    AddressBook,
    decode_book,
    encode_book,
)
from aliad.net.peers.addresses import Address, Scope, parse_address
from aliad.net.peers.bans import Bans
from aliad.net.peers.files import load_bans, load_book, save_bans, save_book
from aliad.types import Millis
from tests.net.names import name

ME, A, B = name(0), name(1), name(2)


def place(port: int, host: str = "192.0.2.1") -> Address:
    return Address("ip4", host, port)


@pytest.mark.parametrize(
    ("text", "scope"),
    [
        ("/ip4/8.8.8.8/tcp/4001", Scope.GLOBAL),
        ("/ip4/192.168.1.7/tcp/1", Scope.PRIVATE),
        ("/ip4/127.0.0.1/tcp/65535", Scope.LOOPBACK),
        ("/ip6/::1/tcp/4001", Scope.LOOPBACK),
        ("/ip6/2001:4860:4860::8888/tcp/4001/ws", Scope.GLOBAL),
        ("/ip6/fe80::1/tcp/4001", Scope.PRIVATE),
        ("/dns4/node.example.org/tcp/4001", Scope.GLOBAL),
        ("/dns/localhost/tcp/4001", Scope.LOOPBACK),
        ("/dns/nas/tcp/4001", Scope.PRIVATE),
    ],
)
def test_addresses_are_read_and_written(text: str, scope: Scope) -> None:
    address, peer = parse_address(text)
    assert (str(address), peer, address.scope) == (text, None, scope)
    assert parse_address(f"{text}/p2p/{A}") == (address, A)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/",
        "ip4/8.8.8.8/tcp/1",
        "/ip4/8.8.8.8/tcp/0",
        "/ip4/8.8.8.8/tcp/65536",
        "/ip4/8.8.8.8/tcp/04001",
        "/ip4/8.8.8.8/udp/1",
        "/ip4/8.8.8.8/tcp/1/",
        "/ip4/8.8.8.8/tcp/1/ws/ws",
        "/ip4/8.8.8.8/tcp/1/p2p/nobody",
        "/ip4/8.8.8.8/tcp/1/p2p/" + A + "/p2p-circuit",
        "/ip4/08.8.8.8/tcp/1",
        "/ip4/::1/tcp/1",
        "/ip4/0.0.0.0/tcp/1",
        "/ip4/224.0.0.1/tcp/1",
        "/ip6/::/tcp/1",
        "/ip6/2001:DB8::1/tcp/1",
        "/ip6/fe80::1%eth0/tcp/1",
        "/dns/a b/tcp/1",
        "/dns/../tcp/1",
        "/dns/" + "a" * 64 + "/tcp/1",
        "/dns/" + "a." * 140 + "a/tcp/1",
        "/unix/tmp/tcp/1",
    ],
)
def test_what_cannot_be_dialed_is_no_address(text: str) -> None:
    with pytest.raises(RemoteProtocolError):
        parse_address(text)


@given(st.text(max_size=80) | st.from_regex(r"/(ip4|ip6|dns)/[^/]{0,20}/tcp/[0-9]{1,6}"))
def test_an_address_is_its_own_text_or_an_error(text: str) -> None:
    try:
        address, peer = parse_address(text)
    except RemoteProtocolError:
        return
    assert str(address) + (f"/p2p/{peer}" if peer else "") == text
    assert isinstance(address.scope, Scope)


def test_what_works_comes_first() -> None:
    book = AddressBook(ME)
    assert book.learn(A, [place(1), place(2), place(3)], B)
    assert not book.learn(A, [place(1)], B)
    book.fail(A, place(1))
    book.confirm(A, place(3), Millis(50))
    assert book.addresses(A) == (place(3), place(2), place(1))
    assert book.addresses(B) == ()
    assert not book.learn(ME, [place(9)], None)
    assert ME not in book


def test_an_address_that_never_worked_is_given_up() -> None:
    book = AddressBook(ME)
    book.learn(A, [place(1), place(2)], B)
    book.confirm(A, place(2), Millis(5))
    for _ in range(MAX_FAILURES):
        book.fail(A, place(1))
        book.fail(A, place(2))
    assert book.addresses(A) == (place(2),), "it worked once, so it may again"
    book.forget(A)
    assert A not in book


def test_what_the_config_names_is_never_given_up() -> None:
    book = AddressBook(ME)
    book.learn(A, [place(1)], None)
    for _ in range(10 * MAX_FAILURES):
        book.fail(A, place(1))
    assert book.addresses(A) == (place(1),)


def test_what_a_peer_says_of_itself_displaces_what_others_say() -> None:
    book = AddressBook(ME)
    book.learn(A, [place(port) for port in range(1, 1 + MAX_ADDRESSES)], B)
    assert not book.learn(A, [place(100)], B)
    book.confirm(A, place(3), Millis(5))
    assert book.learn(A, [place(101), place(102)], A)
    assert {place(3), place(101), place(102)} < set(book.addresses(A))
    assert len(book.addresses(A)) == MAX_ADDRESSES


def test_hearsay_is_bounded_and_displaces_nothing_confirmed() -> None:
    book = AddressBook(ME)
    for port in range(MAX_ADDRESSES):
        book.confirm(A, place(port + 1), Millis(1))
    book.learn(A, [place(100)], B)
    assert place(100) not in book.addresses(A)
    for number in range(10, 10 + 2 * MAX_PER_TELLER):
        book.learn(name(number), [place(1)], B)
    assert len(book) == 1 + MAX_PER_TELLER


def test_a_full_book_lets_hearsay_go_first() -> None:
    book = AddressBook(ME)
    for number in range(MAX_PEERS):
        teller = name(10_000 + number // MAX_PER_TELLER)
        book.learn(name(number + 1), [place(1)], teller)
    assert len(book) == MAX_PEERS
    book.confirm(name(20_000), place(1), Millis(7))
    book.learn(name(20_001), [place(1)], None)
    assert len(book) == MAX_PEERS
    for number in range(20_010, 20_500):
        book.learn(name(number), [place(1)], name(30_000 + number // MAX_PER_TELLER))
    assert len(book) == MAX_PEERS
    assert name(20_000) in book
    assert name(20_001) in book


def test_a_book_of_confirmed_peers_takes_no_hearsay() -> None:
    book = AddressBook(ME)
    for number in range(MAX_PEERS):
        book.confirm(name(number + 1), place(1), Millis(number + 1))
    assert not book.learn(name(20_000), [place(1)], B)
    book.confirm(name(20_000), place(1), Millis(5000))
    assert name(20_000) in book
    assert name(1) not in book, "who was gone longest makes room"


def test_only_confirmed_and_reachable_addresses_are_passed_on() -> None:
    book = AddressBook(ME)
    book.learn(A, [place(1, "8.8.8.8")], None)
    book.confirm(B, place(2, "127.0.0.1"), Millis(5))
    book.confirm(B, place(3, "8.8.8.8"), Millis(6))
    assert book.shareable(Scope.GLOBAL) == ((B, (place(3, "8.8.8.8"),)),)
    assert len(book.shareable(Scope.LOOPBACK)[0][1]) == 2


def full_book() -> AddressBook:
    book = AddressBook(ME)
    book.learn(A, [place(1), Address("dns", "node.example.org", 4001, True)], None)
    book.learn(B, [place(2)], A)
    book.confirm(B, place(2), Millis(77))
    book.fail(A, place(1))
    return book


def test_a_book_is_read_as_it_was_written() -> None:
    book = full_book()
    assert decode_book(encode_book(book), ME).entries() == book.entries()
    assert A not in decode_book(encode_book(book), A)


def test_the_largest_book_can_be_read_again() -> None:
    book, long = AddressBook(ME), "x" * 60 + ("." + "y" * 60) * 3
    for number in range(MAX_PEERS):
        for port in range(MAX_ADDRESSES):
            book.confirm(name(number + 1), Address("dns4", long, 60_000 + port), Millis(2**50))
    assert decode_book(encode_book(book), ME).entries() == book.entries()


@given(st.binary(max_size=100), st.integers(0, 200))
def test_a_damaged_book_is_an_error_or_another_book(noise: bytes, at: int) -> None:
    data = encode_book(full_book())
    damaged = data[:at] + noise + data[at + len(noise) :]
    with suppress(RemoteProtocolError):
        assert encode_book(decode_book(damaged, ME)) == damaged


def test_book_and_bans_survive_a_restart(tmp_path: Path) -> None:
    bans = Bans()
    bans.ban(A, Millis(10**12))
    assert load_book(tmp_path / "net", ME).entries() == ()
    assert load_bans(tmp_path / "net").values() == ()
    for _ in range(2):
        save_book(tmp_path / "net", full_book())
        save_bans(tmp_path / "net", bans)
    assert load_book(tmp_path / "net", ME).entries() == full_book().entries()
    assert load_bans(tmp_path / "net").values() == bans.values()
    assert sorted(path.name for path in (tmp_path / "net").iterdir()) == ["addresses", "bans"]


@pytest.mark.parametrize("damage", [b"", b"\xff" * 100, bytes(9 << 20)])
def test_a_damaged_file_is_set_aside(
    tmp_path: Path, damage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "addresses").write_bytes(damage)
    (tmp_path / "bans").write_bytes(damage)
    with caplog.at_level(logging.WARNING):
        assert load_book(tmp_path, ME).entries() == ()
        assert load_bans(tmp_path).values() == ()
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
    assert (tmp_path / "addresses.damaged").read_bytes() == damage
    save_book(tmp_path, full_book())
    assert len(load_book(tmp_path, ME)) == 2
