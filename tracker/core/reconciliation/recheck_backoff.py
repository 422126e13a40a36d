"""Owns when something is checked again: less and less often, the longer its state has lasted."""

import msgspec

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR


class Recheck(msgspec.Struct, frozen=True, gc=False):
    """When a state was first found, and when it was last checked (Unix milliseconds)."""

    began: int
    asked: int

    @classmethod
    def first(cls, now: int) -> "Recheck":
        return cls(now, now)

    def again(self, now: int) -> "Recheck":
        """The same state, checked once more. If the clock was set back, its age starts again."""
        return Recheck(min(self.began, now), now)

    def age(self, now: int) -> int:
        """How long the state has lasted, in milliseconds; 0 if the clock was set back since."""
        return max(0, now - self.began)

    def due_at(self, least: int, longest: int = DAY) -> int:
        """When it is checked again: its age after the last check, but at least `least` and at most `longest` milliseconds."""
        return self.asked + min(max(self.asked - self.began, least), longest)

    def is_due(self, now: int, least: int, longest: int = DAY) -> bool:
        """Whether it is due. If the clock was set back before the last check, it is due at once."""
        return now >= self.due_at(least, longest) or now < self.asked
