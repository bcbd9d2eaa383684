"""What the engine refuses, and what can go wrong in it.

    ForetellError
    ├── InvalidInput          features or a body that can't be used; holds every problem found
    ├── InvalidSignature      a signature that contradicts itself
    ├── DefinitionInvalid     an endpoint.toml that can't be read, or lacks something
    ├── ArtifactError
    │   ├── ArtifactMissing   a listed file, or the whole version, is not there
    │   ├── ArtifactCorrupted a file's size or digest is not the manifest's
    │   ├── ArtifactUnlisted  a file the manifest does not know lies beside the listed ones
    │   ├── ManifestInvalid   the manifest can't be read, or lacks something
    │   ├── ManifestMismatch  the manifest's digest is not the one the database or git holds
    │   └── ArtifactUnsafe    the pickle names code that may not be loaded, or other library versions wrote it
    ├── ModelError            the model raised while predicting
    ├── PredictTimeout        the model did not answer in time
    └── ModelUnavailable      no loaded version can answer now

A class's `code` is stable and is what clients branch on; the doors map it to an HTTP status or a close code.
Nothing here knows either.
"""

from dataclasses import dataclass
from typing import ClassVar


class ForetellError(Exception):
    """The root of every error Foretell raises on purpose. Never raised itself."""

    code: ClassVar[str]
    retryable: ClassVar[bool] = False


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with one place of an input.

    `path` leads to the place from the top of the message: `("features", "s4")` or `("instances", 3, "s4")`.
    `detail` says what was expected, what came and what to do.
    """

    code: str
    path: tuple[str | int, ...]
    detail: str

    @property
    def field(self) -> str | None:
        """The innermost name on the path, if there is one."""
        return next((part for part in reversed(self.path) if isinstance(part, str)), None)


class InvalidInput(ForetellError):
    """An input that can't be used, with every problem found in it; `code` is the first problem's."""

    def __init__(self, *problems: Problem) -> None:
        self.problems = problems
        super().__init__(" ".join(problem.detail for problem in problems[:3]))

    @property
    def code(self) -> str:  # type: ignore[override]
        """The first problem's code."""
        return self.problems[0].code


class InvalidSignature(ForetellError):
    """A signature that contradicts itself, or asks for what can't be had."""

    code = "invalid_signature"


class DefinitionInvalid(ForetellError):
    """An `endpoint.toml` that can't be read, or lacks or contradicts something."""

    code = "definition_invalid"

    def __init__(self, place: str, detail: str) -> None:
        self.place = place
        super().__init__(f"{place} {detail}")


class ArtifactError(ForetellError):
    """A model file that may not be opened. Never raised itself."""

    def __init__(self, place: str, detail: str) -> None:
        self.place = place
        super().__init__(f"{place}: {detail}")


class ArtifactMissing(ArtifactError):
    """A file of a version is not where the manifest says."""

    code = "artifact_missing"


class ArtifactCorrupted(ArtifactError):
    """A file's bytes are not the ones the manifest lists: cut, changed or swapped."""

    code = "artifact_corrupted"


class ArtifactUnlisted(ArtifactError):
    """A file lies in a version's folder that the manifest does not list."""

    code = "artifact_unlisted"


class ManifestInvalid(ArtifactError):
    """The manifest is not JSON of the expected form."""

    code = "manifest_invalid"


class ManifestMismatch(ArtifactError):
    """The manifest is not the one whose digest is known."""

    code = "manifest_mismatch"


class ArtifactUnsafe(ArtifactError):
    """A pickle that names code outside the allowed distributions, or was written by other library versions."""

    code = "artifact_unsafe"


class ModelError(ForetellError):
    """The model raised while predicting. What it raised is logged, never sent."""

    code = "model_error"

    def __init__(self, tag: str) -> None:
        self.tag = tag
        super().__init__(f"{tag} could not answer this input. Report the request id; another version may answer it.")


class PredictTimeout(ForetellError):
    """The model did not answer within its time."""

    code = "predict_timeout"
    retryable = True

    def __init__(self, tag: str, timeout_s: float) -> None:
        self.tag = tag
        self.timeout_s = timeout_s
        super().__init__(f"{tag} did not answer within {timeout_s:g} s. Ask again.")


class ModelUnavailable(ForetellError):
    """No loaded version can answer now."""

    code = "model_unavailable"
    retryable = True

    def __init__(self, what: str, reason: str) -> None:
        self.what = what
        self.reason = reason
        super().__init__(f"{what} can't answer now: {reason}. Ask again later.")
