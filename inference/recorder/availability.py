"""Whether predictions can be stored now, and who wants to know when that changes."""

from collections.abc import Callable

import structlog

Listener = Callable[[bool], None]

logger = structlog.get_logger(__name__)


class Availability:
    """A flag with listeners; false until it is first set."""

    def __init__(self) -> None:
        self.value = False
        self._listeners: dict[object, Listener] = {}

    def set(self, value: bool) -> None:
        """Change the flag; listeners are told of changes only."""
        if value == self.value:
            return
        self.value = value
        if value:
            logger.info("predictions can be stored")
        else:
            logger.warning("predictions can't be stored")
        for listener in list(self._listeners.values()):
            try:
                listener(value)
            except Exception:
                logger.exception("a listener of the availability failed")

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call `listener(value)` at every change, until the returned function is called."""
        token = object()
        self._listeners[token] = listener
        return lambda: self._listeners.pop(token, None) and None
