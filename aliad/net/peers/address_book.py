"""Where peers were, or are said to be, found. The book outlives a restart.

An address is *confirmed* when this node itself reached the peer there; what others say is hearsay
until then. Hearsay never displaces a confirmed address, one teller fills at most `MAX_PER_TELLER`
entries, and all is bounded, so nobody can fill the book with peers of their own. What fails again
and again without ever having worked is forgotten, unless the config names it.

Pure: ``now`` is in milliseconds of wall-clock time, since the book is stored.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from aliad.codec import Fields, Value, encode, open_record
from aliad.errors import RemoteProtocolError
from aliad.net.peers.addresses import MAX_ADDRESS, Address, Scope, parse_address
from aliad.peer_id import node_id_of, peer_id_of
from aliad.types import MAX_UINT, Millis, NodeId, PeerId

MAX_PEERS: Final = 1024
MAX_ADDRESSES: Final = 8  # of one peer
MAX_PER_TELLER: Final = 64  # peers known only from one other peer
MAX_FAILURES: Final = 10  # of an address never confirmed
MAX_BYTES: Final = 4 << 20

_NEVER: Final = Millis(0)
_VERSION: Final = 1
_KIND: Final = 1


@dataclass(frozen=True, slots=True)
class Place:
    """One address of a peer. ``confirmed`` is when it last worked, 0 if it never did."""

    address: Address
    confirmed: Millis = _NEVER
    failures: int = 0  # in a row, since it last worked


@dataclass(frozen=True, slots=True)
class Entry:
    """A peer and its places, best first. ``teller`` told us of it first; None: the config."""

    peer: PeerId
    places: tuple[Place, ...]
    teller: PeerId | None = None

    @property
    def confirmed(self) -> Millis:
        """When this node last reached the peer, 0 if never."""
        return max([place.confirmed for place in self.places], default=_NEVER)


def _rank(place: Place) -> tuple[int, int, str]:
    return (place.failures, -place.confirmed, str(place.address))


class AddressBook:
    """All entries."""

    __slots__ = ("_entries", "_self")

    def __init__(self, self_id: PeerId, entries: Iterable[Entry] = ()) -> None:
        self._self = self_id
        self._entries = {entry.peer: entry for entry in entries if entry.peer != self_id}

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, peer: PeerId) -> bool:
        return peer in self._entries

    def entries(self) -> tuple[Entry, ...]:
        """All entries in the order of peer ids."""
        return tuple(sorted(self._entries.values(), key=lambda entry: entry.peer))

    def addresses(self, peer: PeerId) -> tuple[Address, ...]:
        """Where to dial ``peer``, best first; empty if it is not known."""
        entry = self._entries.get(peer)
        return tuple([place.address for place in entry.places]) if entry is not None else ()

    def learn(self, peer: PeerId, addresses: Iterable[Address], teller: PeerId | None) -> bool:
        """Note what ``teller`` says of ``peer``, perhaps of itself; None: the config says so.

        True if something was new to us. Addresses beyond the bounds are left out.
        """
        if peer == self._self:
            return False
        entry = self._entries.get(peer)
        if entry is None:
            if not self._admits(teller):
                return False
            entry = Entry(peer, (), teller)
        known = {place.address for place in entry.places}
        new = [Place(address) for address in dict.fromkeys(addresses) if address not in known]
        if not new:
            return False
        new = new[:MAX_ADDRESSES]
        if teller in (None, peer):  # who should know: hearsay gives way
            kept = [place for place in entry.places if place.confirmed][: MAX_ADDRESSES - 1]
            spare = [place for place in entry.places if place not in kept]
            places = [*kept, *new, *spare][:MAX_ADDRESSES]
        else:
            places = [*entry.places, *new][:MAX_ADDRESSES]
        told_by = entry.teller if teller is not None else None
        changed = Entry(peer, tuple(sorted(places, key=_rank)), told_by)
        if changed.places == entry.places:
            return False
        self._entries[peer] = changed
        return True

    def confirm(self, peer: PeerId, address: Address, now: Millis) -> None:
        """This node dialed ``peer`` at ``address`` and it answered with its key."""
        if peer == self._self:
            return
        entry = self._entries.get(peer)
        if entry is None:
            self._make_room()
            entry = Entry(peer, ())
        others = [place for place in entry.places if place.address != address]
        places = [Place(address, Millis(max(1, now))), *others][:MAX_ADDRESSES]
        self._entries[peer] = Entry(peer, tuple(sorted(places, key=_rank)), entry.teller)

    def fail(self, peer: PeerId, address: Address) -> None:
        """Dialing ``peer`` at ``address`` did not work."""
        entry = self._entries.get(peer)
        if entry is None:
            return
        places = []
        for place in entry.places:
            failures = place.failures + (place.address == address)
            if place.confirmed or entry.teller is None or failures < MAX_FAILURES:
                places.append(replace(place, failures=min(failures, MAX_FAILURES)))
        if places:
            self._entries[peer] = replace(entry, places=tuple(sorted(places, key=_rank)))
        else:
            del self._entries[peer]

    def forget(self, peer: PeerId) -> None:
        """The peer is banned, or the user wants it gone."""
        self._entries.pop(peer, None)

    def shareable(self, scope: Scope) -> tuple[tuple[PeerId, tuple[Address, ...]], ...]:
        """Peers with confirmed addresses that somebody at a distance of ``scope`` can dial.

        Most recently reached first.
        """
        found = []
        for entry in sorted(
            self._entries.values(), key=lambda entry: (-entry.confirmed, entry.peer)
        ):
            good = [p.address for p in entry.places if p.confirmed and p.address.scope >= scope]
            if good:
                found.append((entry.peer, tuple(good)))
        return tuple(found)

    def _admits(self, teller: PeerId | None) -> bool:
        """Make room for one more entry that ``teller`` brings; False if there is none to make."""
        if teller is not None:
            hearsay = [e for e in self._entries.values() if e.teller == teller and not e.confirmed]
            if len(hearsay) >= MAX_PER_TELLER:
                return False
            if len(self._entries) >= MAX_PEERS and all(e.confirmed for e in self._entries.values()):
                return False
        self._make_room()
        return True

    def _make_room(self) -> None:
        """Hearsay goes first, the most often failed before the rest, then who was gone longest."""
        if len(self._entries) < MAX_PEERS:
            return

        def worth(entry: Entry) -> tuple[int, bool, int, str]:
            failures = min([place.failures for place in entry.places], default=0)
            return (entry.confirmed, entry.teller is None, -failures, entry.peer)

        del self._entries[min(self._entries.values(), key=worth).peer]


def encode_book(book: AddressBook) -> bytes:
    """The canonical bytes of the book."""
    return encode((_VERSION, _KIND, tuple([_entry_value(entry) for entry in book.entries()])))


def decode_book(data: bytes, self_id: PeerId) -> AddressBook:
    """Raises RemoteProtocolError for anything that `encode_book` did not write."""
    fields = open_record(
        data, _VERSION, _KIND, "address book", max_bytes=MAX_BYTES, max_items=MAX_PEERS
    )
    entries = fields.items(_read_entry, MAX_PEERS)
    fields.end()
    book = AddressBook(self_id, entries)
    if encode_book(AddressBook(PeerId(""), entries)) != data:
        raise RemoteProtocolError("address book: not in order, or a peer twice")
    return book


def _entry_value(entry: Entry) -> Value:
    teller = node_id_of(entry.teller) if entry.teller is not None else b""
    places = tuple([(str(p.address), p.confirmed, p.failures) for p in entry.places])
    return (node_id_of(entry.peer), teller, places)


def _read_entry(value: Value) -> Entry:
    fields = Fields(value, "address book entry")
    peer = peer_id_of(fields.node())
    teller = fields.blob(32)
    if len(teller) not in (0, 32):
        raise RemoteProtocolError("address book entry: a teller is a public key")
    places = fields.items(_read_place, MAX_ADDRESSES, 1)
    fields.end()
    if list(places) != sorted(places, key=_rank):
        raise RemoteProtocolError("address book entry: places are not in order")
    return Entry(peer, places, peer_id_of(NodeId(teller)) if teller else None)


def _read_place(value: Value) -> Place:
    fields = Fields(value, "place")
    address, peer = parse_address(fields.text(MAX_ADDRESS))
    place = Place(address, Millis(fields.uint(MAX_UINT)), fields.uint(MAX_FAILURES))
    fields.end()
    if peer is not None:
        raise RemoteProtocolError("place: an address in the book names no peer")
    return place
