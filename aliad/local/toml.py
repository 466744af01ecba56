"""A training spec from a TOML file, read strictly: what is not understood is an error."""

import difflib
import tomllib
from dataclasses import MISSING, fields
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Final, TypeVar, cast

from aliad.errors import InputError
from aliad.spec.training import (
    MAX_SPEC_BYTES,
    BatchSpec,
    DataSpec,
    ModelSpec,
    OptimiserSpec,
    Section,
    TrainingSpec,
    shown,
)

_SECTIONS: Final = {"languages", "model", "batches", "optimiser", "data"}
_TOP: Final = {"name", "epochs", "seed"} | _SECTIONS
_MOST_DIGITS: Final = 15

S = TypeVar("S", bound=Section)
Table = dict[str, object]


def read_spec(path: Path) -> TrainingSpec:
    """Read a spec file. Raises InputError, naming the entry, for anything wrong with it."""
    try:
        with path.open("rb") as stream:
            raw = stream.read(MAX_SPEC_BYTES + 1)
    except OSError as error:
        raise InputError(
            f"The spec {path} cannot be read.",
            f"The system says: {error.strerror or error}.",
            "Check the path; examples/sample.toml is a spec to start from.",
        ) from error
    if len(raw) > MAX_SPEC_BYTES:
        raise InputError(
            f"The spec {path} is too long.",
            f"A spec has at most {MAX_SPEC_BYTES // 1024} KiB.",
            "Check that you named the spec and not the corpus.",
        )
    try:
        text = raw.decode("utf-8")
        table = tomllib.loads(text, parse_float=Decimal)
    except UnicodeDecodeError as error:
        raise _not_toml(path, f"Byte {error.start + 1} is not UTF-8.") from error
    except (tomllib.TOMLDecodeError, RecursionError, ValueError, ArithmeticError) as error:
        raise _not_toml(path, f"{error}.") from error
    return spec_of(table)


def spec_of(table: Table) -> TrainingSpec:
    """The spec that a parsed TOML document says. Raises InputError."""
    _known(table, _TOP, "")
    languages = _table(table, "languages")
    _known(languages, {"source", "target"}, "languages.")
    spec = TrainingSpec(
        _text(table, "name", ""),
        _text(languages, "source", "languages."),
        _text(languages, "target", "languages."),
        _whole(table.get("epochs", 13), "epochs"),
        _whole(table.get("seed", 1), "seed"),
        _section(ModelSpec, table, "model"),
        _section(BatchSpec, table, "batches"),
        _section(OptimiserSpec, table, "optimiser"),
        _section(DataSpec, table, "data"),
    )
    spec.check()
    return spec


def _section(kind: type[S], table: Table, name: str) -> S:
    given = _table(table, name)
    _known(given, {field.name for field in fields(kind)}, f"{name}.")
    values: list[int | Fraction] = []
    for field in fields(kind):
        assert field.default is not MISSING, "every entry of a section has a default"  # noqa: S101
        value = given.get(field.name, field.default)
        place = f"{name}.{field.name}"
        exact = field.type is Fraction
        values.append(_fraction(value, place) if exact else _whole(value, place))
    return kind(*values)  # type: ignore[arg-type]


def _table(table: Table, name: str) -> Table:
    value = table.get(name, {})
    if not isinstance(value, dict):
        raise _wrong(name, value, f"It is a section: write [{name}] above its entries.")
    return cast("Table", value)


def _known(table: Table, names: set[str], prefix: str) -> None:
    for key in table:
        if key in names:
            continue
        close = difflib.get_close_matches(key, names, 1)
        hint = f"Did you mean `{prefix}{close[0]}`?" if close else "Remove the entry."
        there = ", ".join(sorted(names))
        raise InputError(
            f"A spec has no entry {shown(prefix + key)}.", f"There are: {there}.", hint
        )


def _text(table: Table, name: str, prefix: str) -> str:
    if name not in table:
        raise InputError(
            f"The spec has no `{prefix}{name}`.",
            "A model's name and languages cannot be guessed.",
            f'Add a line such as: {name} = "en"',
        )
    value = table[name]
    if not isinstance(value, str):
        raise _wrong(f"{prefix}{name}", value, "It must be a text in quotes.")
    return value


def _whole(value: object, place: str) -> int:
    if type(value) is not int:
        raise _wrong(place, value, "It must be a whole number.")
    return value


def _fraction(value: object, place: str) -> Fraction:
    if isinstance(value, Fraction):
        return value
    if type(value) is int:
        return Fraction(value)
    if not isinstance(value, Decimal) or not value.is_finite():
        raise _wrong(place, value, "It must be a number.")
    exponent = value.as_tuple().exponent
    assert isinstance(exponent, int), "a finite number has an exponent"  # noqa: S101
    if abs(exponent) > _MOST_DIGITS or len(value.as_tuple().digits) > _MOST_DIGITS:
        raise _wrong(place, value, f"It has more than {_MOST_DIGITS} digits.")
    return Fraction(value)


def _wrong(place: str, value: object, why: str) -> InputError:
    return InputError(f"No job can have {place} = {shown(value)}.", why, "Correct the job's spec.")


def _not_toml(path: Path, why: str) -> InputError:
    return InputError(
        f"The spec {path} is not a TOML file.",
        why,
        "Compare it with examples/sample.toml; https://toml.io explains the format.",
    )
