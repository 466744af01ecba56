"""Tensors from and to files (safetensors): checked against what is expected, never unpickled.

Minus zero is written as zero, so tensors of equal content digest give equal files.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from safetensors import SafetensorError
from safetensors.torch import load as read_tensors
from safetensors.torch import save as tensor_bytes
from torch import Tensor

from aliad.compute.exact import HIGH_EXPONENT, not_finite
from aliad.compute.process.files import ContentDirectory, FileDigest
from aliad.errors import InputError


@dataclass(frozen=True, slots=True)
class Expected:
    """What a tensor of a file must be."""

    shape: tuple[int, ...]
    dtype: torch.dtype = torch.float32


class TensorFiles:
    """Reads and writes files of named tensors."""

    def __init__(self, directory: ContentDirectory) -> None:
        self.directory = directory

    def load(self, digest: FileDigest, expected: Mapping[str, Expected]) -> dict[str, Tensor]:
        """The tensors, in the order of `expected`.

        Raises InputError if the file is missing, damaged, or holds other names, shapes or types;
        NotFinite for NaN, an infinity or a magnitude of 2**62 and more.
        """
        found = self._read(digest)
        if odd := sorted(found.keys() ^ expected.keys()):
            held = "misses" if odd[0] in expected else "also holds"
            raise _misfit(digest, f"It {held} {odd[0]!r}; {len(odd)} names differ in all.")
        for name, wanted in expected.items():
            x = found[name]
            if tuple(x.shape) != wanted.shape or x.dtype != wanted.dtype:
                raise _misfit(
                    digest,
                    f"{name!r} is {x.dtype} {list(x.shape)}, "
                    f"not {wanted.dtype} {list(wanted.shape)}.",
                )
            check_finite(x)
        return {name: found[name] for name in expected}

    def load_tensor(self, digest: FileDigest) -> Tensor:
        """The one tensor of a file that `save_tensor` wrote. Errors as `load`; any shape, type."""
        found = self._read(digest)
        if found.keys() != {"value"}:
            raise _misfit(digest, "It must hold one tensor, called 'value'.")
        check_finite(found["value"])
        return found["value"]

    def save(self, tensors: Mapping[str, Tensor]) -> FileDigest:
        """Store the tensors. Raises InputError if the disk does not take them."""
        plain = {name: _canonical(x) for name, x in tensors.items()}
        return self.directory.write([tensor_bytes(plain, metadata={"format": "pt"})])

    def save_tensor(self, x: Tensor) -> FileDigest:
        """Store one tensor."""
        return self.save({"value": x})

    def _read(self, digest: FileDigest) -> dict[str, Tensor]:
        data = self.directory.read(digest)
        try:
            found: dict[str, Tensor] = read_tensors(data)
        except (SafetensorError, ValueError, KeyError, RuntimeError) as error:
            raise _misfit(digest, f"It is not a safetensors file: {error}.") from error
        return found


def check_finite(x: Tensor) -> None:
    """Raise NotFinite for NaN, an infinity or a magnitude of 2**62 and more."""
    if x.is_floating_point() and not bool((x.abs() < 2.0**HIGH_EXPONENT).all()):
        raise not_finite()


def _canonical(x: Tensor) -> Tensor:
    x = x.detach().cpu()
    return (x + 0.0 if x.is_floating_point() else x).contiguous().clone()


def _misfit(digest: FileDigest, why: str) -> InputError:
    return InputError(
        f"File {digest.hex()} does not fit what was asked.",
        why,
        "Name the files that belong to this model and this use.",
    )
