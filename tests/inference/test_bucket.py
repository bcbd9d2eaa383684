"""Connections to a bucket belong to one process and one thread."""

import os
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from botocore.exceptions import BotoCoreError
from django.core.files.base import ContentFile

import inference.bucket
from inference.bucket import BucketStorage, TooSlow
from project import env
from tests.bucket import CREDENTIAL, Bucket


@pytest.fixture
def storage(bucket: Bucket) -> BucketStorage:
    """A storage that has been used."""
    storage = BucketStorage(**bucket.storages["uploads"]["OPTIONS"])
    storage.save("a", ContentFile(b"x"))
    return storage


def test_threads_have_connections_of_their_own(storage: BucketStorage) -> None:
    seen = []
    thread = threading.Thread(target=lambda: seen.append((storage.connection, storage.bucket.meta.client)))
    thread.start()
    thread.join()

    assert seen[0][0] is not storage.connection
    assert seen[0][1] is not storage.bucket.meta.client
    assert storage.connection is storage.connection


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_process_has_connections_of_its_own(storage: BucketStorage) -> None:
    before = (storage.connection, storage.bucket.meta.client)

    child = os.fork()
    if not child:
        mine = (storage.connection, storage.bucket.meta.client)
        os._exit(0 if not {id(one) for one in mine} & {id(one) for one in before} else 1)

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert storage.connection is before[0]


def at(port: int) -> BucketStorage:
    """The storage of a bucket on this machine, set as Foretell sets it."""
    url = f"s3://ours?endpoint_url=http://127.0.0.1:{port}&region=us-east-1"
    return BucketStorage(**env.storages(url, Path("/nowhere"))["uploads"]["OPTIONS"])


class Cut(BaseHTTPRequestHandler):
    """Promises a hundred bytes and closes after ten."""

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "100")
        self.send_header("ETag", '"1"')
        self.end_headers()

    def do_GET(self) -> None:
        self.do_HEAD()
        self.wfile.write(b"0123456789")

    def log_message(self, *arguments: object) -> None:
        pass


class Replaced(Cut):
    """An object that is another one by the time it is fetched."""

    def do_GET(self) -> None:
        said = b"<Error><Code>PreconditionFailed</Code></Error>"
        self.send_response(412)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)


class Hung(Cut):
    """Says that there is an object, and never gives it."""

    def do_GET(self) -> None:
        self.rfile.read()


class Trickling(Cut):
    """Gives what it promises, a byte at a time, as long as anybody listens."""

    def do_GET(self) -> None:
        self.do_HEAD()
        over = self.server.over  # type: ignore[attr-defined]
        with suppress(OSError):
            for _ in range(100):
                self.wfile.write(b"0")
                over.wait(0.05)


def test_an_object_that_trickles_is_an_error_of_the_bucket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inference.bucket, "PATIENCE_S", 0.2)
    for name, value in CREDENTIAL.items():
        monkeypatch.setenv(name, value)
    with ThreadingHTTPServer(("127.0.0.1", 0), Trickling) as server:
        server.over = threading.Event()  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever).start()
        try:
            with pytest.raises(TooSlow, match="bytes of an object"):
                at(server.server_port).open("a")
        finally:
            server.over.set()  # type: ignore[attr-defined]
            server.shutdown()


@pytest.mark.parametrize("size", [0, 1, 1 << 20, 17 << 20])
def test_an_object_is_whole_also_where_it_comes_in_parts(storage: BucketStorage, size: int) -> None:
    data = os.urandom(1024) * (size // 1024) or b"x" * size
    storage.save("whole", ContentFile(data))

    with storage.open("whole") as source:
        assert source.read() == data


@pytest.mark.parametrize("handler", [Cut, Replaced])
def test_an_object_that_breaks_off_is_an_error_of_the_bucket(
    monkeypatch: pytest.MonkeyPatch, handler: type[Cut]
) -> None:
    for name, value in CREDENTIAL.items():
        monkeypatch.setenv(name, value)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever).start()
        with pytest.raises(BotoCoreError):
            at(server.server_port).open("a")
        server.shutdown()


@pytest.mark.long
@pytest.mark.timeout(60)
def test_a_bucket_that_hangs_is_an_error_within_half_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether it never says a word, or never gives what it has."""
    for name, value in CREDENTIAL.items():
        monkeypatch.setenv(name, value)
    with (
        # The kernel accepts; nobody ever answers.
        socket.create_server(("127.0.0.1", 0)) as silent,
        ThreadingHTTPServer(("127.0.0.1", 0), Hung) as server,
        ThreadPoolExecutor() as pool,
    ):
        threading.Thread(target=server.serve_forever).start()
        dead, hung = at(silent.getsockname()[1]), at(server.server_port)
        together = threading.Barrier(6)

        def ask(storage: BucketStorage, question: Callable[..., object], *arguments: object) -> None:
            storage.connection.meta.client  # noqa: B018 - made here: that takes this machine's time, not the bucket's
            together.wait()
            question(*arguments)

        asked = [
            pool.submit(ask, dead, dead.open, "a"),
            pool.submit(ask, dead, dead.save, "a", ContentFile(b"x" * (1 << 20))),
            pool.submit(ask, dead, dead.listdir, "a"),
            pool.submit(ask, dead, dead.delete, "a"),
            pool.submit(ask, hung, hung.open, "a"),
        ]
        together.wait()
        done, late = wait(asked, timeout=30)
        server.shutdown()

    assert not late
    assert all(isinstance(one.exception(), BotoCoreError) for one in done)
