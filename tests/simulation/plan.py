"""What a seed stands for: sizes, powers, eras, who is Byzantine and how, how bad the network is.

Everything random in a run comes from the generator made here, so a seed is a whole story.
"""

from dataclasses import dataclass, field, replace
from random import Random

from aliad.consensus.timing import Timing
from aliad.consensus.validators import Validator, ValidatorSet
from aliad.crypto import key_from_seed
from aliad.types import Hash32, Height, Millis, NodeId, Power

ROLES = ("twins", "liar", "equivocator", "rogue", "silent")
JOINERS = 2  # honest nodes outside the first validator set


@dataclass(frozen=True, slots=True)
class Weather:
    """The network before the healing; after it, delays stay below a quarter of Δ."""

    loss: float
    longest_delay: int
    duplicates: float
    crash: float  # chance a batch of effects is cut short
    slow_finality: float  # chance that a FINALIZE takes seconds longer: the cruellest schedule
    partitions: tuple[tuple[int, int, frozenset[int]], ...]  # from, until, one side


@dataclass(frozen=True, slots=True)
class Plan:
    seed: int
    size: int
    real_crypto: bool
    timing: Timing
    seeds: tuple[bytes, ...]  # of the keys, by place
    nodes: tuple[NodeId, ...]
    roles: dict[int, str] = field(repr=False)  # place → how it is Byzantine
    era: int
    sets: tuple[ValidatorSet, ...]
    weather: Weather
    heights: int  # committed before the healing, at most
    chaos_ends: int

    @property
    def genesis(self) -> Hash32:
        return Hash32(self.seed.to_bytes(32, "big"))

    @property
    def honest(self) -> frozenset[NodeId]:
        return frozenset(n for place, n in enumerate(self.nodes) if place not in self.roles)

    def validators(self, height: Height) -> ValidatorSet:
        return self.sets[min((height - 1) // self.era, len(self.sets) - 1)]


def make_plan(seed: int, *, over_threshold: bool = False, real_crypto: bool | None = None) -> Plan:
    """The story of ``seed``; ``over_threshold`` makes more than a third of the power Byzantine."""
    rng = Random(seed)
    size = (4, 5, 7, 10)[seed % 4]
    real = seed % 20 == 7 if real_crypto is None else real_crypto
    seeds = tuple(rng.randbytes(32) for _ in range(size + JOINERS))
    nodes = tuple(key_from_seed(each).node_id if real else NodeId(each) for each in seeds)
    powers = [1] * size
    if not over_threshold and rng.random() < 0.5:
        powers = [rng.randint(1, 10) for _ in range(size)]
    roles = _roles(rng, powers, over_threshold)
    era = rng.randint(2, 5)
    sets = _eras(rng, nodes, powers, frozenset(roles), 1 if over_threshold else 6)
    delta = 400
    chaos_ends = rng.randint(10_000, 40_000)
    weather = _weather(rng, size + JOINERS, chaos_ends)
    if over_threshold:  # honest nodes hear each other late, and the colluders at once
        weather = replace(weather, longest_delay=rng.choice((800, 3_000)), crash=0.0)
    return Plan(
        seed,
        size,
        real,
        Timing(Millis(delta), Millis(rng.choice((500, 1_500))), Millis(10_000)),
        seeds,
        nodes,
        roles,
        era,
        sets,
        weather,
        rng.randint(5, 9),
        chaos_ends,
    )


def _roles(rng: Random, powers: list[int], over_threshold: bool) -> dict[int, str]:
    total, places = sum(powers), list(range(len(powers)))
    rng.shuffle(places)
    if over_threshold:
        return dict.fromkeys(places[: (len(powers) - 1) // 3 + 1], "colluder")
    kinds = rng.choice((ROLES, ("twins",), ("rogue",), ("equivocator",), ("rogue", "twins")))
    roles: dict[int, str] = {}
    spent = 0
    for place in places:
        if 3 * (spent + powers[place]) < total and rng.random() < 0.9:
            spent += powers[place]
            roles[place] = rng.choice(kinds)
    return roles


def _eras(
    rng: Random, nodes: tuple[NodeId, ...], powers: list[int], byzantine: frozenset[int], count: int
) -> tuple[ValidatorSet, ...]:
    """Sets in which Byzantine power stays below a third; one place joins, leaves or changes its
    power from one era to the next, if that moves at most a third of the power."""
    current = dict(enumerate(powers))
    sets = [_set(nodes, current)]
    while len(sets) < count:
        changed = dict(current)
        place = rng.randrange(len(nodes))
        if place in changed and rng.random() < 0.5:
            del changed[place]
        else:
            changed[place] = rng.randint(1, max(powers))
        moved = abs(changed.get(place, 0) - current.get(place, 0))
        evil = sum(power for each, power in changed.items() if each in byzantine)
        fits = len(changed) >= 4 and 3 * moved <= sum(current.values())
        if fits and 3 * evil < sum(changed.values()):
            current = changed
        sets.append(_set(nodes, current))
    return tuple(sets)


def _set(nodes: tuple[NodeId, ...], powers: dict[int, int]) -> ValidatorSet:
    return ValidatorSet.of(Validator(nodes[place], Power(p)) for place, p in powers.items())


def _weather(rng: Random, count: int, chaos_ends: int) -> Weather:
    partitions = []
    for _ in range(rng.choice((0, 0, 1, 2, 3))):
        start = rng.randrange(chaos_ends)
        side = frozenset(place for place in range(count) if rng.random() < 0.5)
        partitions.append((start, start + rng.randint(500, 8_000), side))
    return Weather(
        rng.choice((0.0, 0.05, 0.15, 0.3)),
        rng.choice((50, 200, 800, 3_000)),
        rng.choice((0.0, 0.02, 0.1)),
        rng.choice((0.0, 0.005, 0.03)),
        rng.choice((0.0, 0.0, 0.5, 0.9)),
        tuple(partitions),
    )
