"""When work is due, and what it costs to be late."""

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

__all__ = ["Deadline", "format_duration", "format_time", "parse_time"]

EXAMPLE = "2026-12-01T23:59+01:00"


class Deadline(NamedTuple):
    """A rule for late work; docs/classroom.md says what each field is."""

    due: datetime | None = None
    grace_minutes: float = 0
    late_per_day: float = 0
    extensions: Mapping[str, datetime] = {}
    handed_in: Mapping[str, datetime] = {}

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> "Deadline":
        """Read those settings of a manifest that have a name of a field; their types are checked.

        Raises:
            ValueError: a value is not as it should be.
        """
        fields = {name: settings[name] for name in cls._fields if name in settings}
        if "due" in fields:
            fields["due"] = parse_time(fields["due"], "due")
        for name in ("extensions", "handed_in"):
            fields[name] = {
                student: parse_time(time, f"{name}: {student}")
                for student, time in fields.get(name, {}).items()
            }
        deadline = cls(**fields)
        if not 0 <= deadline.grace_minutes < math.inf:
            raise ValueError(f"grace_minutes must be 0 or more, got {deadline.grace_minutes}")
        if not 0 <= deadline.late_per_day <= 1:
            raise ValueError(f"late_per_day must be from 0 to 1, got {deadline.late_per_day}")
        return deadline

    def with_due(self, due: str | None) -> "Deadline":
        """The same rule, due at that time if one is given.

        Raises:
            ValueError: it is no time, or there is a rule and nothing is due.
        """
        if due is not None:
            return self._replace(due=parse_time(due, "--due"))
        if self.due is None and self != Deadline():
            raise ValueError(f"the manifest has a rule for late work but no due; try --due {EXAMPLE}")
        return self

    def due_of(self, student: str) -> datetime | None:
        """When the work of a student is due."""
        return self.extensions.get(student, self.due)

    def share_lost(self, late: timedelta) -> float:
        """The share of the points, 0 to 1, that being late costs: so much for each day that has begun."""
        if late <= timedelta(minutes=self.grace_minutes):
            return 0.0
        return min(1.0, math.ceil(late / timedelta(days=1)) * self.late_per_day)


def parse_time(text: Any, what: str) -> datetime:
    """A time with its time zone.

    Raises:
        ValueError: it is none; the message begins with `what`.
    """
    try:
        time = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except (ValueError, AttributeError, TypeError):
        time = None
    if time is None or time.tzinfo is None:
        raise ValueError(f"{what} must be a time with a time zone, got {text!r}; try {EXAMPLE}")
    return time


def format_time(time: datetime) -> str:
    """2026-12-01 23:59 +01:00."""
    text = time.isoformat(" ", "minutes")
    return f"{text[:16]} {text[16:]}"


def format_duration(duration: timedelta) -> str:
    """2 d 3 h 5 min, without what is zero in front; the minute that has begun counts."""
    minutes = math.ceil(duration / timedelta(minutes=1))
    days, hours = divmod(minutes // 60, 24)
    parts = [f"{days} d", f"{hours} h", f"{minutes % 60} min"]
    return " ".join(parts[0 if days else 1 if hours else 2 :])
