"""What training refuses.

ForetellError
└── TrainingError
    ├── AlgorithmInvalid  algorithm.py or params.toml can't be used
    ├── DataInvalid       the training data can't be read as the endpoint's signature
    ├── TrainingFailed    the pipeline raised while it was fitted, or can't answer what the endpoint asks
    └── VersionExists     the version is there already, with other bits
"""

from inference.engine.errors import ForetellError


class TrainingError(ForetellError):
    """A version that can't be trained. Never raised itself."""

    def __init__(self, place: str, detail: str) -> None:
        self.place = place
        super().__init__(f"{place}: {detail}")


class AlgorithmInvalid(TrainingError):
    """An algorithm's code or params that can't be used."""

    code = "algorithm_invalid"


class DataInvalid(TrainingError):
    """Training data that can't be read as the endpoint's signature."""

    code = "data_invalid"


class TrainingFailed(TrainingError):
    """A pipeline that raised while it was fitted, or that can't answer what the endpoint asks."""

    code = "training_failed"


class VersionExists(TrainingError):
    """A version that is there already, with other bits, or whose number the signature does not allow."""

    code = "version_exists"
