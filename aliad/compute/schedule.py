"""Learning rates and bias corrections as exact rationals, rounded once to float32."""

from dataclasses import dataclass
from fractions import Fraction

from aliad.compute.tables import cosine_decay, round_to_float32


@dataclass(frozen=True, slots=True)
class Schedule:
    """Linear warm-up to `peak`, then cosine decay to `floor` times `peak` at step `steps`."""

    peak: Fraction
    warmup: int
    steps: int
    floor: Fraction = Fraction(1, 50)

    def rate(self, step: int) -> float:
        """Learning rate of step 1, 2, …, a float32."""
        if step <= self.warmup:
            return round_to_float32(self.peak * Fraction(step, self.warmup))
        decay = cosine_decay(step - self.warmup, self.steps - self.warmup, self.floor)
        return round_to_float32(self.peak * decay)


def correction(beta: Fraction, step: int) -> float:
    """1/(1 - beta**step), the bias correction of an exponential mean after `step` terms."""
    # Beyond 2**-40 the power cannot change a float32 any more.
    power = beta**step if step < 4096 else Fraction(0)
    return round_to_float32(1 / (1 - power))
