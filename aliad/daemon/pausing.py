"""When the host wants to be left alone: the operator's word, a schedule, a temperature. Pure."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
# A device must cool down this far below the limit before it computes again.
COOLING: Final = 5.0

_ENTRY: Final = re.compile(r"(?:(\w{3})(?:-(\w{3}))? )?(\d\d):(\d\d)-(\d\d):(\d\d)")


@dataclass(frozen=True, slots=True)
class Moment:
    """A local time: day of the week from Monday as 0, minute of the day."""

    day: int
    minute: int


def is_in_pause(entries: Iterable[str], now: Moment) -> str:
    """The entry of the schedule that covers ``now``, or nothing. Hours may go over midnight."""
    for entry in entries:
        found = _ENTRY.fullmatch(entry)
        if found is None:
            continue  # the configuration was checked
        first, last, h1, m1, h2, m2 = found.groups()
        start, stop = int(h1) * 60 + int(m1), int(h2) * 60 + int(m2)
        today = _is_day(now.day, first, last)
        yesterday = _is_day((now.day - 1) % 7, first, last)
        if start < stop:
            covered = today and start <= now.minute < stop
        else:
            covered = (today and now.minute >= start) or (yesterday and now.minute < stop)
        if covered:
            return entry
    return ""


def _is_day(day: int, first: str | None, last: str | None) -> bool:
    if first is None:
        return True
    begin, end = DAYS.index(first), DAYS.index(last or first)
    return begin <= day <= end if begin <= end else day >= begin or day <= end


@dataclass(slots=True)
class Leave:
    """Whether to compute. ``until`` is in seconds of any clock that does not go back."""

    asked: bool = False
    until: float | None = None
    hot: bool = False

    def pause(self, until: float | None) -> None:
        """The operator's word; for ever if ``until`` is None."""
        self.asked, self.until = True, until

    def resume(self) -> None:
        """The operator's word is taken back."""
        self.asked, self.until = False, None

    def seconds_left(self, now: float) -> float | None:
        """Until the operator's pause ends."""
        return None if self.until is None else max(0.0, self.until - now)

    def reason(
        self,
        now: float,
        moment: Moment,
        schedule: Iterable[str],
        temperature: float | None,
        limit: float,
    ) -> str:
        """Why no batch is taken at the moment; empty if one is."""
        if self.asked and self.until is not None and now >= self.until:
            self.resume()
        if temperature is not None:
            self.hot = temperature > (limit - COOLING if self.hot else limit)
        if self.asked:
            return "paused by the operator"
        entry = is_in_pause(schedule, moment)
        if entry:
            return f"work.pause has {entry}"
        if self.hot and temperature is not None:
            return f"a GPU is at {temperature:.0f} °C (work.max_gpu_temperature is {limit:.0f})"
        return ""
