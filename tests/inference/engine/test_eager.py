"""Types that several threads may read first: msgspec crashes the process when two of them make it learn one."""

import os
import subprocess
import sys

import pytest

_FIRST = """
import json, os, sys, threading
from pathlib import Path
from inference.engine import manifest
from inference.engine.signature import Signature

sys.setswitchinterval(1e-6)
data = next(Path("artifacts").rglob("manifest.json")).read_bytes()
signature = json.loads(data)["signature"]

def read():
    together.wait()
    {read}

for _ in range({processes}):
    # Each child is a process that has read none.
    if (child := os.fork()) == 0:
        together = threading.Barrier(4)
        readers = [threading.Thread(target=read) for _ in range(4)]
        for one in readers:
            one.start()
        for one in readers:
            one.join()
        os._exit(0)
    if status := os.waitpid(child, 0)[1]:
        sys.exit(f"a process ended with {{os.waitstatus_to_exitcode(status)}}")
"""
_LATE = """
import importlib, pkgutil, sys
import django, msgspec

django.setup()
packages = ["inference", "jobs", "project", "streaming"]
for package in map(importlib.import_module, packages):
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        importlib.import_module(module.name)

learned = []

def watch(frame, event, _):
    if event == "call" and frame.f_code.co_name == "get_class_annotations":
        learned.append(frame.f_locals["obj"])

def learn(struct):
    sys.setprofile(watch)
    try:
        msgspec.json.Decoder(struct)
        return True
    except TypeError:
        # Of a type that msgspec can't read.
        return False
    finally:
        sys.setprofile(None)

for struct in msgspec.Struct.__subclasses__():
    learned.clear()
    if struct.__module__.partition(".")[0] in packages and learn(struct):
        print("late" if learned else "eager", struct.__name__)
"""


def _run(program: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "project.settings"}
    return subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.mark.parametrize("read", ["manifest.read(data)", "Signature.from_dict(signature)"])
def test_threads_that_read_a_type_first_together_do_not_crash(read):
    ended = _run(_FIRST.format(read=read, processes=60))
    assert ended.returncode == 0, ended.stderr


def test_every_type_that_is_read_is_learned_when_it_is_made():
    ended = _run(_LATE)
    assert ended.returncode == 0, ended.stderr
    said = [line.split() for line in ended.stdout.splitlines()]
    assert "Manifest" in [name for when, name in said if when == "eager"]
    # These are made here and never read.
    assert {name for when, name in said if when == "late"} == {"Instance", "Answer"}
