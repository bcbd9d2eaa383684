"""A version's model card, read off its manifest: the same sections for a page and as Markdown."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from inference.engine.manifest import Manifest

INPUT_COLUMNS = ("Input", "Type", "Unit", "Accepts", "What it is")
_PAIR = ("", "")


@dataclass(frozen=True, slots=True)
class Section:
    """One table of a card: a title, the heads of its columns, and rows of text."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def sections(manifest: Manifest, *, digest: str) -> list[Section]:
    """The card: what a version is, asks and answers, how good it is, and everything it was made of.

    Args:
        digest: of the manifest, as the registry holds it.
    """
    runtime = "ONNX Runtime, found equal to scikit-learn" if manifest.runtime == "onnx" else "scikit-learn"
    what = [("Endpoint", manifest.endpoint), ("Version", manifest.tag), ("Digest", digest), ("Answered by", runtime)]
    files = [(name, f"{file.bytes:,}", file.sha256) for name, file in sorted(manifest.files.items())]
    data = [(name, f"{one.rows:,}", one.sha256) for name, one in sorted(manifest.data.items())]
    made = [("Seed", str(manifest.seed)), *_flat(manifest.params)]
    environment = {
        "python": manifest.environment.python,
        "platform": manifest.environment.platform,
        "cpu": manifest.environment.cpu,
        "blas": manifest.environment.blas,
        "threads": manifest.environment.threads,
    }
    return [
        Section("What it is", _PAIR, tuple(what)),
        asked(manifest.signature),
        answered(manifest.signature),
        Section("How good it is, on data held back from training", _PAIR, tuple(_flat(manifest.metrics))),
        Section("What the training data looked like", _REFERENCE, tuple(_reference(manifest))),
        Section("ONNX compared with scikit-learn", _PAIR, tuple(_parity(manifest))),
        Section("Trained from", ("Data", "Rows", "sha256"), tuple(data)),
        Section("Made with", _PAIR, tuple(made)),
        Section("Code", ("File", "sha256"), tuple(sorted(manifest.code.items()))),
        Section("Files", ("File", "Bytes", "sha256"), tuple(files)),
        Section("Trained on", _PAIR, (*_flat(environment), *_flat(manifest.environment.packages))),
    ]


def asked(signature: Mapping[str, Any]) -> Section:
    """What a signature asks, an input a row; columns that say nothing of any input are left out."""
    rows = list(input_rows(signature))
    kept = [at for at in range(len(INPUT_COLUMNS)) if any(row[at] != "-" for row in rows)]
    columns = tuple(INPUT_COLUMNS[at] for at in kept)
    return Section("What it asks", columns, tuple(tuple(row[at] for at in kept) for row in rows))


def answered(signature: Mapping[str, Any]) -> Section:
    """What a signature answers."""
    return Section("What it answers", _PAIR, tuple(output_rows(signature)))


def markdown(manifest: Manifest, *, digest: str) -> str:
    """The card as Markdown (GitHub's tables)."""
    lines = [f"# {_plain(manifest.endpoint)} / {_plain(manifest.tag)}", ""]
    for section in sections(manifest, digest=digest):
        lines += [f"## {section.title}", ""]
        if not section.rows:
            lines += ["Nothing is recorded.", ""]
            continue
        lines += [_line(section.columns), _line(tuple("---" for _ in section.columns))]
        lines += [*map(_line, section.rows), ""]
    return "\n".join(lines)


def input_rows(signature: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """What a signature asks, a row an input under `INPUT_COLUMNS`."""
    for said in signature["inputs"]:
        unit = said.get("unit")
        yield (
            said["name"],
            said["dtype"],
            "-" if unit in (None, "1") else unit,
            accepted(said),
            said.get("description") or "-",
        )


def output_rows(signature: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What a signature answers: its kind, and its labels or unit."""
    output = signature["output"]
    yield "Kind", output["kind"]
    if output.get("labels"):
        yield "Labels", ", ".join(output["labels"])
    if output.get("unit"):
        yield "Unit", output["unit"]


def number(value: float) -> str:
    """A number as a person reads it: six significant digits, thousands apart."""
    return f"{value:,}" if isinstance(value, int) else f"{value:,.6g}"


def accepted(said: Mapping[str, Any]) -> str:
    """The values an input takes, in words: `0 to 130, may be missing`."""
    if said["dtype"] == "string":
        known = said.get("categories")
        words = ["any text" if known is None else "one of " + ", ".join(known)]
        if known is not None and said.get("unknown") == "pass":
            words.append("others too")
    else:
        low, high = said.get("min"), said.get("max")
        if low is None and high is None:
            words = ["any number"]
        elif low is None or high is None:
            words = [f"from {number(low)}" if high is None else f"up to {number(high)}"]  # type: ignore[arg-type]
        else:
            words = [f"{number(low)} to {number(high)}"]
        if said.get("out_of_range") == "warn":
            words.append("beyond with a warning")
    if said.get("nullable"):
        words.append("may be missing")
    return ", ".join(words)


_REFERENCE = ("Input", "Rows", "Missing", "Mean", "Standard deviation", "Lowest", "Highest", "Most frequent")


def _reference(manifest: Manifest) -> Iterator[tuple[str, ...]]:
    for name in [one["name"] for one in manifest.signature["inputs"]]:
        said = manifest.reference.get(name)
        if said is None:
            continue
        counts = said.get("categories") or {}
        often = sorted(counts, key=counts.__getitem__, reverse=True)[:3]
        variance = said.get("variance")
        spread = None if variance is None else float(variance) ** 0.5
        figures = (said.get("mean"), spread, said.get("min"), said.get("max"))
        yield (
            name,
            number(said.get("count", 0)),
            number(said.get("nulls", 0)),
            *("-" if figure is None else number(figure) for figure in figures),
            ", ".join(f"{one} ({counts[one]:,})" for one in often) or "-",
        )


def _parity(manifest: Manifest) -> Iterator[tuple[str, str]]:
    parity = manifest.parity
    yield "Equal", "yes" if parity.equal else f"no: {parity.reason}"
    yield "Rows compared", number(parity.rows)
    if parity.max_difference is not None:
        yield "Largest difference", number(parity.max_difference)
    yield "Rows where two labels tied", number(parity.label_ties)


def _flat(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """Names and values as text, nested names joined by dots."""
    for name, value in values.items():
        full = f"{above}{name}"
        if isinstance(value, Mapping):
            yield from _flat(value, f"{full}.")
        elif isinstance(value, bool) or not isinstance(value, int | float):
            yield full, str(value)
        else:
            yield full, number(value)


def _line(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(map(_plain, cells))} |"


def _plain(text: str) -> str:
    """Text that stays in its cell and is no markup."""
    text = " ".join(text.split())
    for special in ("\\", "|", "<", "`", "*", "[", "_"):
        text = text.replace(special, f"\\{special}")
    return text
