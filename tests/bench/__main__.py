"""`python -m tests.bench [PART …] [--quick]`: measure, print, beside the goals. Never fails."""

import argparse

import uvloop

from tests.bench import batch, engine, memory, rest, streams, watched
from tests.bench.report import Report, machine
from tests.faults.stack import Stack

PARTS = ("engine", "memory", "rest", "streams", "watched", "batch")
MORE = ("million",)
"""Measured only when named."""
PAIRS, MEASURED_S = 5, 3.0
QUICK_PAIRS, QUICK_MEASURED_S = 1, 1.0


def main() -> None:
    """Read the command line, start what is measured, measure."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument(
        "parts",
        nargs="*",
        metavar="part",
        help=f"one or more of {', '.join(PARTS)}; all of them if none. And {', '.join(MORE)}, only when named",
    )
    parser.add_argument("--quick", action="store_true", help="one short pair each: shows that it works, not how fast")
    chosen = parser.parse_args()
    if unknown := set(chosen.parts) - {*PARTS, *MORE}:
        parser.error(f"there is no part {', '.join(sorted(unknown))}; there are {', '.join((*PARTS, *MORE))}")
    parts = chosen.parts or PARTS
    report = Report()
    print(machine(), flush=True)
    try:
        _measure(report, parts, quick=chosen.quick)
    finally:
        report.end()


def _measure(report: Report, parts: tuple[str, ...], *, quick: bool) -> None:
    pairs, measured_s = (QUICK_PAIRS, QUICK_MEASURED_S) if quick else (PAIRS, MEASURED_S)
    if "engine" in parts:
        engine.bench(report, pairs=pairs, measured_s=measured_s / 10)
    if set(parts) == {"engine"}:
        return
    stack = Stack()
    try:
        stack.start()
        if "memory" in parts:
            uvloop.run(memory.bench(report, stack, rounds=1 if quick else 3, sockets=200 if quick else 2000))
        if "rest" in parts:
            uvloop.run(rest.bench(report, stack, pairs=pairs, measured_s=measured_s))
        if "streams" in parts:
            uvloop.run(streams.bench(report, stack, pairs=pairs, measured_s=measured_s))
        if "watched" in parts:
            uvloop.run(watched.bench(report, stack, pairs=pairs, measured_s=measured_s))
        if "batch" in parts:
            uvloop.run(batch.bench(report, stack, rounds=pairs, quick=quick))
        if "million" in parts:
            uvloop.run(batch.million(report, stack))
    finally:
        stack.close()


if __name__ == "__main__":
    main()
