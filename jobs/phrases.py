"""How far work is, in words: the same on pages, over their sockets and in a terminal."""

from jobs.models import BatchJob
from jobs.selectors import Progress

_WORD = {
    BatchJob.State.QUEUED: "Waits for a worker",
    BatchJob.State.READING: "The input is being read",
    BatchJob.State.PAUSED: "Paused",
    BatchJob.State.FAILED: "Failed",
    BatchJob.State.CANCELLED: "Cancelled",
}


def progress_said(state: str, progress: Progress) -> str:
    """A sentence: `12,000 of 1,000,000 rows, 31,000 a second, about 32 s left.`"""
    word = _WORD.get(state)
    if not progress.rows:
        return f"{word or 'No rows'}."
    rows = f"{progress.done:,} of {progress.rows:,} rows"
    if state == BatchJob.State.DONE:
        return f"{progress.rows:,} rows."
    if state != BatchJob.State.RUNNING:
        return f"{word}, {rows} done."
    if not progress.rows_per_s:
        return f"{rows}."
    left = "" if progress.eta_s is None else f", about {duration_said(progress.eta_s)} left"
    return f"{rows}, {progress.rows_per_s:,.0f} a second{left}."


def failed_said(progress: Progress) -> str:
    """How many rows ended with an error: `1,204`, or `-` while none did."""
    failed = sum(progress.errors.values())
    return f"{failed:,}" if failed else "-"


def duration_said(seconds: float) -> str:
    """A time span as people say it: `32 s`, `4 min`, `2 h 10 min`."""
    whole = round(seconds)
    if whole < 100:
        return f"{whole} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"


def size_said(count: int) -> str:
    """Bytes as people say them: `512 B`, `40 kB`, `1.2 GB`."""
    size, unit = float(count), "B"
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            break
        size /= 1000
    return f"{size:.0f} {unit}" if size >= 10 or unit == "B" else f"{size:.1f} {unit}"
