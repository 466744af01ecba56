"""Products of integer matrices: which unit of a device computes them. All give the same integers.

The CPU multiplies in float32. A CUDA device multiplies in float32 too, and on its float16 tensor
cores with float32 accumulation once `admit` has seen them return the exact integers for the hardest
operands there are: norms at the bound, alternating signs, zeros, one huge entry among small ones.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

NORM = 1 << 12  # ‖row‖ of an operand, as `exact.quantise` bounds it
ENTRY = 1 << 11

_tensor_cores: set[torch.device] = set()


def integer_product(a: Tensor, b: Tensor) -> Tensor:
    """float32 a @ b of integers with |entry| <= 2**11 and ‖row‖·‖column‖ <= 2**24."""
    if a.device in _tensor_cores:
        return half_product(a, b)
    return torch.matmul(a, b)


def half_product(a: Tensor, b: Tensor) -> Tensor:
    """The same through float16 operands, which hold integers up to 2**11 exactly."""
    x, y = a.half(), b.half()
    if x.dim() == 2:
        return torch.mm(x, y, out_dtype=torch.float32)
    rows, columns = x.shape[-2], y.shape[-1]
    flat = torch.bmm(x.flatten(0, -3), y.flatten(0, -3), out_dtype=torch.float32)
    return flat.view(*x.shape[:-2], rows, columns)


def hard_operands() -> Iterator[tuple[str, Tensor, Tensor]]:
    """(description, a [m, k], b [k, n]) in float32, at the limits of what a product may meet."""
    for k in (1, 2, 3, 31, 128, 1000, 4096, 16384):
        flat = max(1, int(NORM / k**0.5))
        signs = torch.ones(k)
        signs[1::2] = -1.0
        for name, row in (
            ("entries equal, norm at the bound", torch.full((k,), float(min(flat, ENTRY)))),
            ("signs alternating, norm at the bound", signs * min(flat, ENTRY)),
            ("one entry at the bound among zeros", torch.eye(1, k).view(-1) * ENTRY),
            ("minus zero and zero", signs * 0.0),
        ):
            a = torch.stack([row, -row, row.flip(0), row.abs()])
            yield f"{name}, {k} terms", a, a.T.contiguous()
        spread = torch.arange(k * 5).view(5, k).mul_(2654435761).remainder_(2 * flat + 1) - flat
        a = spread.clamp_(-ENTRY, ENTRY).float()
        yield f"spread entries, {k} terms", a, a.T.contiguous()


def first_wrong_product(device: torch.device, half: bool) -> str | None:
    """The first of `hard_operands` for which the device does not return the exact integers."""
    multiply = half_product if half else torch.matmul
    for name, a, b in hard_operands():
        expected = a.long() @ b.long()
        if not torch.equal(multiply(a.to(device), b.to(device)).cpu().long(), expected):
            return name
    return None


def admit(device: torch.device) -> bool:
    """Use the device's tensor cores from now on if they are exact; whether they are."""
    if device.type != "cuda":
        return False
    try:
        exact = first_wrong_product(device, half=True) is None
    except (RuntimeError, TypeError):  # a torch or a device without such products
        exact = False
    if exact:
        _tensor_cores.add(device)
    return exact
