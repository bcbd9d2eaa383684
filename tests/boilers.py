"""A small endpoint with everything in it: numbers, a nullable one, an int64 and texts, on made-up boilers."""

import random
from pathlib import Path

ENDPOINT = """
slug = "boiler-service"
name = "Boiler service"

[output]
kind = "classification"
labels = ["well", "due"]

[data]
file = "boilers.csv"
target = "state"
labels = { 0 = "well", 1 = "due" }
missing = ["", "?"]
columns = { flue_c = "flue temperature" }

[[inputs]]
name = "flue_c"
dtype = "float"
min = 20
max = 400
nullable = true

[[inputs]]
name = "starts"
dtype = "int"
min = 0
max = 100000

[[inputs]]
name = "serial"
dtype = "int64"
min = 0

[[inputs]]
name = "fuel"
dtype = "string"
categories = ["gas", "oil", "wood"]
nullable = true
unknown = "pass"
"""

ALGORITHM = '''
"""One-hot fuel, imputed numbers."""

from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler


def build(params, seed):
    numbers = Pipeline([("fill", SimpleImputer()), ("scale", StandardScaler())])
    columns = ColumnTransformer([
        ("numbers", numbers, ["flue_c", "starts"]),
        ("fuel", OneHotEncoder(handle_unknown="ignore"), ["fuel"]),
    ])
    return Pipeline([("columns", columns), ("model", LogisticRegression(random_state=seed, **params))])
'''

PARAMS = """
seed = 7

[params]
C = 2.0
"""


def write(
    artifacts: Path,
    *,
    algorithm: str = ALGORITHM,
    params: str = PARAMS,
    endpoint: str = ENDPOINT,
    data: str | None = None,
) -> Path:
    """Write the endpoint with one algorithm, `plain`, and say its folder."""
    folder = artifacts / "boilers"
    (folder / "plain").mkdir(parents=True)
    (folder / "data").mkdir()
    (folder / "endpoint.toml").write_text(endpoint)
    (folder / "plain" / "algorithm.py").write_text(algorithm)
    (folder / "plain" / "params.toml").write_text(params)
    (folder / "data" / "boilers.csv").write_text(csv() if data is None else data)
    return folder


def csv(rows: int = 240) -> str:
    """Rows in which hot flues and many starts ask for service, one value in ten missing."""
    chance = random.Random(3)
    lines = ["flue temperature,starts,serial,fuel,state"]
    for number in range(rows):
        flue, starts, fuel = chance.uniform(80, 300), chance.randrange(20000), chance.choice(["gas", "oil", "wood"])
        due = flue + starts / 100 + (40 if fuel == "wood" else 0) + chance.gauss(0, 20) > 310
        shown = "?" if chance.random() < 0.1 else f"{flue:.1f}"
        lines.append(f"{shown},{starts},{2**40 + number},{'' if chance.random() < 0.1 else fuel},{int(due)}")
    return "\n".join(lines) + "\n"
