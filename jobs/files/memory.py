"""How much memory reading may take, whatever a file says of itself. Only Linux bounds it."""

import contextlib
import resource
from collections.abc import Iterator
from pathlib import Path

_STATM = Path("/proc/self/statm")
_PAGE = resource.getpagesize()
_SPARE = 64 * 1024**2
"""What Python and other threads may take meanwhile, also where an allocator holds much that it does not use."""
_BEFORE = resource.getrlimit(resource.RLIMIT_DATA)


@contextlib.contextmanager
def bounded(more_bytes: int) -> Iterator[None]:
    """Let this process use about so much more memory than it does, and no more, while the block lasts.

    What asks for more gets none: Python and Arrow then raise a `MemoryError`. It holds for all of its threads.
    """
    try:
        _, resident, shared, _, _, data, *_ = (int(pages) * _PAGE for pages in _STATM.read_text().split())
    except OSError:
        yield
        return
    soft, hard = _BEFORE
    most = max(data + _SPARE, resident - shared + more_bytes)
    resource.setrlimit(resource.RLIMIT_DATA, (most if soft == resource.RLIM_INFINITY else min(most, soft), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, _BEFORE)
