"""How large the files of a job can be: what comes from others is bounded before it is fetched."""

from typing import Final

from aliad.spec.model import ModelConfig, count_parameters, count_rows_and_columns

# Names, shapes and offsets of all tensors in a file's header.
_HEADER_BYTES: Final = 1 << 20


def most_update_bytes(model: ModelConfig) -> int:
    """An update: one byte a parameter and a row, four a statistic."""
    return _HEADER_BYTES + count_parameters(model) + 5 * count_rows_and_columns(model)


def most_state_bytes(model: ModelConfig) -> int:
    """A state: parameters, momentum, statistics, four bytes each."""
    return _HEADER_BYTES + 8 * count_parameters(model) + 4 * count_rows_and_columns(model)


def most_parameter_bytes(model: ModelConfig) -> int:
    """The parameters alone."""
    return _HEADER_BYTES + 4 * count_parameters(model)
