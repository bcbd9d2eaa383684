"""What the image's health checks run: `python -I project/healthcheck.py web`, or `pulse` for worker and beat.

It imports nothing of Foretell: it runs every few seconds beside each process, and costs a tenth of a second.
"""

import http.client
import os
import sys
import time
from pathlib import Path

TIMEOUT_S = 4.0
SILENT_S = 60.0
"""The pulse is touched every few seconds; longer than this, and the process hangs or has lost Redis."""


def web() -> str | None:
    """Why the web process here is not ready; None when it is."""
    host = os.environ.get("HOST", "")
    address = "127.0.0.1" if host in ("", "0.0.0.0") else host
    connection = http.client.HTTPConnection(address, int(os.environ.get("PORT") or 8000), timeout=TIMEOUT_S)
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        return None if answer.status == http.HTTPStatus.OK else answer.read(4096).decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        return f"The web process does not answer: {error!r}"
    finally:
        connection.close()


def pulse() -> str | None:
    """Why the worker or beat here counts as hanging; None when it works."""
    try:
        silent_s = time.time() - Path(os.environ.get("PULSE_FILE", "")).stat().st_mtime
    except OSError as error:
        return f"PULSE_FILE was never touched: {error.strerror}"
    return None if silent_s < SILENT_S else f"PULSE_FILE was last touched {silent_s:.0f} s ago."


if __name__ == "__main__":
    sys.exit({"web": web, "pulse": pulse}[sys.argv[1]]())
