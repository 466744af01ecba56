"""A training job's spec: every choice that the model depends on, beside the corpus.

A spec is exact: rates and shares are fractions, so the same spec means the same bits everywhere.
It comes from a TOML file (`local.toml`) and has one canonical encoding, whose digest names it.
"""

from dataclasses import astuple, dataclass, fields
from fractions import Fraction
from typing import Final, TypeVar

from aliad.codec import Fields, Value, encode, open_record
from aliad.crypto import digest, domain
from aliad.errors import InputError, RemoteProtocolError
from aliad.spec.model import SMALLEST_VOCABULARY, ModelConfig, count_parameters
from aliad.spec.recipe import Recipe
from aliad.types import Hash32

VERSION: Final = 1
SPEC_KIND: Final = 16
MAX_SPEC_BYTES: Final = 16 << 10
MAX_TERM: Final = 10**15
"""Largest numerator and denominator of a fraction."""
MAX_SEED: Final = 2**31 - 1

_SHOWN: Final = 40
_DOMAIN: Final = domain("training-spec")


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """Shape of the model; `length` is the most tokens of a sentence. Default: 1.9 M parameters."""

    vocabulary: int = 4000
    width: int = 128
    hidden: int = 512
    heads: int = 4
    encoder_layers: int = 3
    decoder_layers: int = 3
    length: int = 128
    dropout: Fraction = Fraction(1, 10)
    smoothing: Fraction = Fraction(1, 10)


@dataclass(frozen=True, slots=True)
class BatchSpec:
    """How the corpus is cut. `workers` is how many batches make a round when training locally."""

    lines: int = 20
    micro_batches: int = 16
    workers: int = 6


@dataclass(frozen=True, slots=True)
class OptimiserSpec:
    """The local step and the outer step. `warmup` is a share of all rounds, `floor` of the peak."""

    peak_rate: Fraction = Fraction(3, 1000)
    warmup: Fraction = Fraction(1, 10)
    floor: Fraction = Fraction(2, 100)
    clip: Fraction = Fraction(1)
    beta2: Fraction = Fraction(9, 10)
    outer_rate: Fraction = Fraction(6, 10)
    outer_momentum: Fraction = Fraction(7, 10)


@dataclass(frozen=True, slots=True)
class DataSpec:
    """What is done to the corpus: longest line in characters, share of pairs held out."""

    longest_line: int = 1000
    held_out: Fraction = Fraction(2, 100)


@dataclass(frozen=True, slots=True)
class TrainingSpec:
    """All of it. `source` and `target` are language tags."""

    name: str
    source: str
    target: str
    epochs: int = 13
    seed: int = 1
    model: ModelSpec = ModelSpec()
    batches: BatchSpec = BatchSpec()
    optimiser: OptimiserSpec = OptimiserSpec()
    data: DataSpec = DataSpec()

    def config(self) -> ModelConfig:
        """The model's shape as the engine takes it."""
        m = self.model
        return ModelConfig(
            vocabulary=m.vocabulary,
            width=m.width,
            hidden=m.hidden,
            heads=m.heads,
            encoder_layers=m.encoder_layers,
            decoder_layers=m.decoder_layers,
            length=m.length,
            dropout=float(m.dropout),
            smoothing=float(m.smoothing),
        )

    def recipe(self, rounds: int) -> Recipe:
        """The recipe of a job of so many rounds."""
        o = self.optimiser
        return Recipe(
            peak=o.peak_rate,
            warmup=max(1, int(rounds * o.warmup)),
            steps=rounds,
            floor=o.floor,
            clip=o.clip,
            beta2=o.beta2,
            outer_rate=o.outer_rate,
            outer_momentum=o.outer_momentum,
        )

    @property
    def parameters(self) -> int:
        """Numbers in the model."""
        return count_parameters(self.config())

    @property
    def digest(self) -> Hash32:
        """What names the spec."""
        return digest(_DOMAIN, encode_spec(self))

    def check(self) -> None:
        """Raise InputError, naming the entry, for what nobody can train."""
        for name, text, most in (
            ("name", self.name, 100),
            ("languages.source", self.source, 35),
            ("languages.target", self.target, 35),
        ):
            if not 0 < len(text) <= most or not text.isprintable() or text != text.strip():
                raise _impossible(name, text, f"It must be 1 to {most} printable characters.")
        whole: tuple[tuple[str, int, int, int], ...] = (
            ("epochs", self.epochs, 1, 1000),
            ("seed", self.seed, 0, MAX_SEED),
            ("model.vocabulary", self.model.vocabulary, SMALLEST_VOCABULARY, 1 << 17),
            ("batches.lines", self.batches.lines, 1, 4096),
            ("batches.micro_batches", self.batches.micro_batches, 1, 256),
            ("batches.workers", self.batches.workers, 1, 1024),
            ("data.longest_line", self.data.longest_line, 1, 16000),
        )
        for name, value, low, high in whole:
            if not low <= value <= high:
                raise _impossible(name, value, f"It must be {low} to {high}.")
        self._check_fractions()
        self.config().check()

    def _check_fractions(self) -> None:
        o = self.optimiser
        for name, value, low, high in (
            ("optimiser.peak_rate", o.peak_rate, Fraction(1, 10**9), Fraction(1)),
            ("optimiser.warmup", o.warmup, Fraction(0), Fraction(1)),
            ("optimiser.floor", o.floor, Fraction(0), Fraction(1)),
            ("optimiser.clip", o.clip, Fraction(1, 1000), Fraction(1000)),
            ("optimiser.beta2", o.beta2, Fraction(1, 2), Fraction(9999, 10000)),
            ("optimiser.outer_rate", o.outer_rate, Fraction(1, 1000), Fraction(10)),
            ("optimiser.outer_momentum", o.outer_momentum, Fraction(0), Fraction(99, 100)),
            ("model.dropout", self.model.dropout, Fraction(0), Fraction(9, 10)),
            ("model.smoothing", self.model.smoothing, Fraction(0), Fraction(9, 10)),
            ("data.held_out", self.data.held_out, Fraction(0), Fraction(1, 2)),
        ):
            if not low <= value <= high:
                span = f"{float(low):g} to {float(high):g}"
                raise _impossible(name, float(value), f"It must be {span}.")
            if max(abs(value.numerator), value.denominator) > MAX_TERM:
                raise _impossible(name, float(value), "It has too many digits.")


def _impossible(name: str, value: object, why: str) -> InputError:
    return InputError(f"No job can have {name} = {shown(value)}.", why, "Correct the job's spec.")


def shown(value: object) -> str:
    """A value as an error message shows it: on one line, not too long."""
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def encode_spec(spec: TrainingSpec) -> bytes:
    """The canonical bytes. Raises InputError if they exceed 16 KiB or the spec is impossible."""
    spec.check()
    return encode(
        (
            VERSION,
            SPEC_KIND,
            spec.name,
            spec.source,
            spec.target,
            spec.epochs,
            spec.seed,
            *(
                tuple(_encoded(value) for value in astuple(part))
                for part in (spec.model, spec.batches, spec.optimiser, spec.data)
            ),
        )
    )


def decode_spec(data: bytes) -> TrainingSpec:
    """Read a spec. Raises RemoteProtocolError, and nothing else, for any other bytes."""
    record = open_record(data, VERSION, SPEC_KIND, "training spec", max_bytes=MAX_SPEC_BYTES)
    spec = TrainingSpec(
        record.text(400),
        record.text(140),
        record.text(140),
        record.uint(),
        record.uint(),
        _section(ModelSpec, record.value()),
        _section(BatchSpec, record.value()),
        _section(OptimiserSpec, record.value()),
        _section(DataSpec, record.value()),
    )
    record.end()
    try:
        spec.check()
    except InputError as error:
        raise RemoteProtocolError(f"training spec: {error.what}", error.why) from error
    return spec


Section = ModelSpec | BatchSpec | OptimiserSpec | DataSpec
S = TypeVar("S", bound=Section)


def _encoded(value: int | Fraction) -> Value:
    return (value.numerator, value.denominator) if isinstance(value, Fraction) else value


def _section(kind: type[S], value: Value) -> S:
    read = Fields(value, f"training spec, {kind.__name__}")
    values = [_fraction(read) if f.type is Fraction else read.uint() for f in fields(kind)]
    read.end()
    return kind(*values)  # type: ignore[arg-type]


def _fraction(read: Fields) -> Fraction:
    inner = Fields(read.value(), "fraction")
    numerator, denominator = inner.uint(MAX_TERM), inner.uint(MAX_TERM)
    inner.end()
    if denominator == 0 or Fraction(numerator, denominator).denominator != denominator:
        raise RemoteProtocolError("training spec: a fraction is not in lowest terms")
    return Fraction(numerator, denominator)
