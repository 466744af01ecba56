"""config.json of a model folder: the model's shape and its languages, read strictly."""

import json
from dataclasses import asdict, dataclass, fields
from typing import Final, cast

from aliad.errors import InputError
from aliad.spec.model import ModelConfig

FORMAT: Final = 1
ARCHITECTURE: Final = "aliad-transformer"
LARGEST_EPS: Final = 0.01
_LONGEST_LANGUAGE: Final = 35  # characters of a language tag (RFC 5646, section 4.4.1)


@dataclass(frozen=True, slots=True)
class Languages:
    """Language tags of what goes in and what comes out."""

    source: str
    target: str


@dataclass(frozen=True, slots=True)
class _Whole:
    architecture: str
    format: int
    languages: Languages
    model: ModelConfig


def config_bytes(config: ModelConfig, languages: Languages) -> bytes:
    """The file's bytes: keys sorted, one a line."""
    whole = _Whole(ARCHITECTURE, FORMAT, languages, config)
    return (json.dumps(asdict(whole), indent=2, sort_keys=True) + "\n").encode()


def config_from_bytes(raw: bytes) -> tuple[ModelConfig, Languages]:
    """Read the file. Raises InputError unless it is what `config_bytes` writes."""
    whole = strict_object(raw, {field.name for field in fields(_Whole)})
    if (whole["architecture"], whole["format"]) != (ARCHITECTURE, FORMAT):
        raise _unreadable("It belongs to another kind of model, or to a newer version of aliad.")
    model, spoken = whole["model"], whole["languages"]
    shape = {field.name: field.type for field in fields(ModelConfig)}
    if not isinstance(model, dict) or model.keys() != shape.keys():
        raise _unreadable(f"`model` must hold {', '.join(shape)}.")
    for name, kind in shape.items():
        if type(model[name]) is not kind:
            raise _unreadable(f"`model.{name}` must be of type {getattr(kind, '__name__', kind)}.")
    if not isinstance(spoken, dict) or spoken.keys() != {"source", "target"}:
        raise _unreadable("`languages` must hold source and target.")
    for tag in spoken.values():
        if not isinstance(tag, str) or not 0 < len(tag) <= _LONGEST_LANGUAGE:
            raise _unreadable("A language must be a short text.")
    config = ModelConfig(**model)
    config.check()
    if not 0.0 < config.eps <= LARGEST_EPS:
        raise _unreadable(f"`model.eps` is {config.eps}, not between 0 and {LARGEST_EPS}.")
    return config, Languages(spoken["source"], spoken["target"])


def strict_object(raw: bytes, keys: set[str]) -> dict[str, object]:
    """The JSON object in `raw`, which must have exactly these keys; InputError otherwise."""
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise _unreadable(f"It is not JSON: {error}.") from error
    if not isinstance(value, dict) or value.keys() != keys:
        raise _unreadable(f"It must be an object with {', '.join(sorted(keys))}.")
    return cast("dict[str, object]", value)


def _unreadable(why: str) -> InputError:
    return InputError(
        "The model's description cannot be read.", why, "Fetch the model again, or train it again."
    )
