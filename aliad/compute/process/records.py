"""What requests and replies are about: models, recipes, batches, devices, operations.

Tensors are named by the digests of their files. `digest` without a qualifier is the content digest
of `aliad.compute`: over dtypes, shapes and values, the one that nodes commit to.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

from aliad.compute.process.files import FileDigest

Attribute: TypeAlias = int | float | str | bool
Ids: TypeAlias = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """Shape of a model: as `transformer.ModelConfig`, for whoever imports no torch."""

    vocabulary: int
    width: int
    hidden: int
    heads: int
    encoder_layers: int
    decoder_layers: int
    length: int
    dropout: float
    smoothing: float
    eps: float


@dataclass(frozen=True, slots=True)
class RecipeSpec:
    """How a job steps: as `rounds.RoundRecipe` with its `Schedule`."""

    peak: Fraction
    warmup: int
    steps: int
    floor: Fraction
    clip: Fraction
    beta2: Fraction
    eps: float
    outer_rate: Fraction
    outer_momentum: Fraction


@dataclass(frozen=True, slots=True)
class BatchTask:
    """One worker's batch. `batch`: canonical bytes; `seed`: names the batch, drives dropout."""

    model: ModelSpec
    recipe: RecipeSpec
    state: FileDigest
    batch: bytes
    seed: bytes


@dataclass(frozen=True, slots=True)
class Device:
    """A device of this host. `memory`: bytes in all."""

    name: str
    description: str
    memory: int


@dataclass(frozen=True, slots=True)
class Translation:
    """Token ids without marks, and the score by which the search ranked them."""

    ids: Ids
    score: float


@dataclass(frozen=True, slots=True)
class TensorRef:
    """A file with one tensor, called `value`, and the tensor's digest."""

    file: FileDigest
    digest: bytes


@dataclass(frozen=True, slots=True)
class Operand:
    """An operation's input and where the graph takes it from.

    A leaf has a `leaf` name; any other is output `slot` of operation `producer` of the graph.
    """

    leaf: str | None
    producer: int
    slot: int
    tensor: TensorRef


@dataclass(frozen=True, slots=True)
class TraceRow:
    """One executed operation. `digest`: over the digests of its outputs; `shape`: of the first."""

    index: int
    id: bytes
    kind: str
    shape: tuple[int, ...]
    macs: int
    seconds: float
    digest: bytes
