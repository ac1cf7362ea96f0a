"""Times on an axis: as clocks on the wall show them here, with the zone said."""

from __future__ import annotations

from datetime import UTC, datetime


def local_time(epoch_s: float) -> datetime:
    """The moment without a zone, as this machine's clocks showed it."""
    return datetime.fromtimestamp(epoch_s, UTC).astimezone().replace(tzinfo=None)


def zone_name(epoch_s: float) -> str:
    """`UTC`, `CET, UTC+01:00`: this machine's zone at that moment."""
    at = datetime.fromtimestamp(epoch_s, UTC).astimezone()
    offset = at.strftime("%z")
    shown = f"UTC{offset[:3]}:{offset[3:5]}" if offset.strip("+-0") else "UTC"
    name = at.tzname() or shown
    return shown if name == shown or name.startswith(("+", "-")) else f"{name}, {shown}"
