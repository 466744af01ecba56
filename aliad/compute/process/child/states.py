"""Job states, updates, residuals and parameters as files.

state        rounds · parameters/N · momentum/N · squares.0/N · squares.1/N   for parameter N
update       values/N · exponents/N · squares.0/N · squares.1/N
residual     N, the parameters' names and shapes
parameters   N, the same bytes as a model folder's model.safetensors
"""

from typing import Final

import torch
from torch import Tensor

from aliad.compute.exact import HIGH_EXPONENT, LOW_EXPONENT
from aliad.compute.graph import Shape
from aliad.compute.model_folder import canonical_parameters
from aliad.compute.process.child.tensorfiles import Expected, TensorFiles
from aliad.compute.process.files import FileDigest
from aliad.compute.rounds import Encoded, JobState, Update
from aliad.compute.transformer import Parameters
from aliad.errors import InputError
from aliad.spec.model import ModelConfig, parameter_shapes

MAX_ROUNDS: Final = 1 << 31


def load_state(files: TensorFiles, digest: FileDigest, config: ModelConfig) -> JobState:
    """Raises InputError or NotFinite unless the file is a state of such a model."""
    shapes = parameter_shapes(config)
    expected = {"rounds": Expected((1,), torch.int64)}
    for name, shape in shapes.items():
        rows, columns = _square_shapes(shape)
        expected[f"parameters/{name}"] = expected[f"momentum/{name}"] = Expected(shape)
        expected[f"squares.0/{name}"] = Expected(rows)
        expected[f"squares.1/{name}"] = Expected(columns)
    found = files.load(digest, expected)
    rounds = int(found["rounds"].item())
    squares = {name: _squares(found, name) for name in shapes}
    if not 0 <= rounds <= MAX_ROUNDS:
        raise _out_of_range("job state", f"It claims {rounds} rounds.")
    return JobState(
        rounds,
        {name: found[f"parameters/{name}"] for name in shapes},
        {name: found[f"momentum/{name}"] for name in shapes},
        squares,
    )


def save_state(files: TensorFiles, state: JobState) -> FileDigest:
    """Store a state."""
    tensors: dict[str, Tensor] = {"rounds": torch.tensor([state.rounds])}
    for name in state.parameters:
        tensors[f"parameters/{name}"] = state.parameters[name]
        tensors[f"momentum/{name}"] = state.momentum[name]
        tensors[f"squares.0/{name}"], tensors[f"squares.1/{name}"] = state.squares[name]
    return files.save(tensors)


def load_update(files: TensorFiles, digest: FileDigest, config: ModelConfig) -> Update:
    """Raises InputError or NotFinite unless the file is an update that a worker can have made."""
    shapes = parameter_shapes(config)
    expected: dict[str, Expected] = {}
    for name, shape in shapes.items():
        rows, columns = _square_shapes(shape)
        scales = (shape[0] if len(shape) > 1 else 1,)
        expected[f"values/{name}"] = Expected(shape, torch.int8)
        expected[f"exponents/{name}"] = Expected(scales, torch.int8)
        expected[f"squares.0/{name}"] = Expected(rows)
        expected[f"squares.1/{name}"] = Expected(columns)
    found = files.load(digest, expected)
    update: Update = {}
    for name in shapes:
        values, exponents = found[f"values/{name}"], found[f"exponents/{name}"]
        if int(values.amin()) < -127:
            raise _out_of_range("update", f"A value of {name!r} is below -127.")
        if int(exponents.amin()) < LOW_EXPONENT or int(exponents.amax()) > HIGH_EXPONENT:
            why = f"An exponent of {name!r} is not from {LOW_EXPONENT} to {HIGH_EXPONENT}."
            raise _out_of_range("update", why)
        update[name] = Encoded(values, exponents, _squares(found, name))
    return update


def save_update(files: TensorFiles, update: Update) -> FileDigest:
    """Store an update."""
    tensors: dict[str, Tensor] = {}
    for name, part in update.items():
        tensors[f"values/{name}"], tensors[f"exponents/{name}"] = part.values, part.exponents
        tensors[f"squares.0/{name}"], tensors[f"squares.1/{name}"] = part.squares
    return files.save(tensors)


def load_parameters(files: TensorFiles, digest: FileDigest, config: ModelConfig) -> Parameters:
    """Tensors of the parameters' names and shapes: a model's parameters, or a residual."""
    shapes = parameter_shapes(config)
    return files.load(digest, {name: Expected(shape) for name, shape in shapes.items()})


def save_parameters(files: TensorFiles, parameters: Parameters, config: ModelConfig) -> FileDigest:
    """Store parameters in the bytes of a model folder's file."""
    return files.save(canonical_parameters(parameters, config))


def no_residual(config: ModelConfig) -> Parameters:
    """What is left over before the first aggregation: nothing."""
    return {name: torch.zeros(shape) for name, shape in parameter_shapes(config).items()}


def _squares(found: dict[str, Tensor], name: str) -> tuple[Tensor, Tensor]:
    parts = found[f"squares.0/{name}"], found[f"squares.1/{name}"]
    if any(bool((part < 0.0).any()) for part in parts):
        raise _out_of_range("statistics", f"A mean square of {name!r} is negative.")
    return parts


def _square_shapes(shape: Shape) -> tuple[Shape, Shape]:
    return (shape, (0,)) if len(shape) == 1 else ((shape[0],), (shape[1],))


def _out_of_range(thing: str, why: str) -> InputError:
    return InputError(
        f"The {thing} cannot come from honest work.", why, "Discard it, and whoever sent it."
    )
