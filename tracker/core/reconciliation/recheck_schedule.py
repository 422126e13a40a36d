"""Owns when something is asked for again: ever more rarely the longer it has been as it is."""

import msgspec

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR


class Recheck(msgspec.Struct, frozen=True, gc=False):
    """When something was first found as it is, and when it was last asked for (Unix milliseconds)."""

    began: int
    asked: int

    @classmethod
    def first(cls, now: int) -> "Recheck":
        return cls(now, now)

    def again(self, now: int) -> "Recheck":
        """It was asked for once more, and is as it was. Where the clock was set back, its time begins again."""
        return Recheck(min(self.began, now), now)

    def age(self, now: int) -> int:
        """For how long it has been so, in milliseconds; 0 where the clock was set back since."""
        return max(0, now - self.began)

    def due_at(self, least: int, longest: int = DAY) -> int:
        """When it is asked for again: after as long as it has been so, at least and at most so many milliseconds later."""
        return self.asked + min(max(self.asked - self.began, least), longest)

    def is_due(self, now: int, least: int, longest: int = DAY) -> bool:
        """Whether that time has come; a clock that was set back behind the last time makes it due at once."""
        return now >= self.due_at(least, longest) or now < self.asked
