"""What the image's health checks say."""

import http.server
import os
import re
import subprocess
import sys
import threading
import time

import pytest


@pytest.fixture
def readyz():
    """A web process that answers /readyz with the status `.status`."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(self.server.status if self.path == "/readyz" else 404)
            self.end_headers()
            self.wfile.write(b"because")

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def checked(role: str, **environment: str) -> tuple[int, str]:
    """The exit code of the check and what it wrote."""
    done = subprocess.run(
        [sys.executable, "-I", "project/healthcheck.py", role],
        env={"http_proxy": "http://127.0.0.1:1"} | environment,
        capture_output=True,
        text=True,
        timeout=30,
    )
    return done.returncode, done.stderr


def test_web_is_healthy_while_it_is_ready(readyz):
    environment = {"HOST": "0.0.0.0", "PORT": str(readyz.server_port)}
    readyz.status = 200
    assert checked("web", **environment) == (0, "")
    readyz.status = 503
    assert checked("web", **environment) == (1, "because\n")


def test_a_web_process_that_is_not_there_is_unhealthy():
    code, said = checked("web", HOST="127.0.0.1", PORT="1")
    assert code == 1
    assert "does not answer" in said


def test_a_pulse_counts_for_a_minute(tmp_path):
    file = tmp_path / "pulse"
    assert checked("pulse", PULSE_FILE=str(file))[0] == 1
    file.touch()
    assert checked("pulse", PULSE_FILE=str(file)) == (0, "")
    touched_at = time.time() - 61
    os.utime(file, (touched_at, touched_at))
    code, said = checked("pulse", PULSE_FILE=str(file))
    assert code == 1
    silent_s = int(re.search(r"last touched (\d+) s ago", said)[1])
    assert 61 <= silent_s <= round(time.time() - touched_at)
