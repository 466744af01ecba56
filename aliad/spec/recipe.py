"""How a job steps: the hyperparameters of the local and the outer step, exact."""

from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class Recipe:
    """Linear warm-up to `peak` in `warmup` rounds, cosine to `floor` times that at round `steps`.

    After `steps` rounds the rate stays where it is, so a job that needs more goes on.
    """

    peak: Fraction
    warmup: int
    steps: int
    floor: Fraction
    clip: Fraction
    beta2: Fraction
    outer_rate: Fraction
    outer_momentum: Fraction
    eps: float = 1e-8
