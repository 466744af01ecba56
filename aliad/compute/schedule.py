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
    return round_to_float32(1 / (1 - _power(beta, step)))


def _power(base: Fraction, exponent: int) -> Fraction:
    """base**exponent for 0 <= base < 1, by squaring integers with 256 fraction bits."""
    result, square = 1 << 256, (base.numerator << 256) // base.denominator
    while exponent:
        if exponent & 1:
            result = (result * square) >> 256
        square = (square * square) >> 256
        exponent >>= 1
    return Fraction(result, 1 << 256)
