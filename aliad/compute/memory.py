"""Memory of a compute process."""

import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # mallopt(3)


def keep_freed_memory() -> bool:
    """Have glibc keep freed blocks for reuse; False where the C library offers no such thing.

    By default glibc maps blocks of more than 128 KiB afresh for every tensor, and the kernel then
    zeroes their pages again and again.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    return bool(mallopt(_MMAP_THRESHOLD, 32 << 20) and mallopt(_TRIM_THRESHOLD, 1 << 30))
