"""Signatures and values for tests: hypothesis strategies over everything a signature can say."""

from hypothesis import strategies as st

from inference.engine.inputs import FLOAT32_EXACT_INT, FLOAT32_MAX, Input
from inference.engine.signature import Output, Signature

NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_.-]{0,8}", fullmatch=True)
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20)

MIXED = Signature(
    (
        Input(name="level", dtype="float", min=0, max=130, unit="mm"),
        Input(name="count", dtype="int", nullable=True),
        Input(name="kind", dtype="string", categories=("pump", "valve"), nullable=True),
        Input(name="serial", dtype="int64"),
        Input(name="note", dtype="string", nullable=True),
        Input(name="site", dtype="string", categories=("a:b", "c"), unknown="pass"),
        Input(name="heat", dtype="float", min=-5, max=5, out_of_range="warn", nullable=True),
    ),
    Output(kind="classification", labels=("ok", "worn")),
)
"""One of every dtype, policy and nullability."""

NUMERIC = Signature(tuple(Input(name=f"s{n}", dtype="float") for n in range(3)), Output(kind="regression", unit="l/s"))


@st.composite
def inputs(draw: st.DrawFn, name: str) -> Input:
    """Any valid input of that name."""
    dtype = draw(st.sampled_from(["float", "int", "int64", "string"]))
    if dtype == "string":
        categories = draw(st.none() | st.lists(TEXTS.filter(bool), min_size=1, max_size=4, unique=True).map(tuple))
        return Input(
            name=name,
            dtype="string",
            categories=categories,
            nullable=draw(st.booleans()),
            unknown=draw(st.sampled_from(["refuse", "pass"])),
        )
    limit = {"float": FLOAT32_MAX, "int": FLOAT32_EXACT_INT, "int64": 2**53}[dtype]
    bounds = st.floats(-limit, limit) if dtype == "float" else st.integers(-limit, limit)
    low, high = sorted((draw(bounds), draw(bounds)))
    return Input(
        name=name,
        dtype=dtype,  # type: ignore[arg-type]
        min=draw(st.sampled_from([None, low])),
        max=draw(st.sampled_from([None, high])),
        nullable=dtype != "int64" and draw(st.booleans()),
        out_of_range=draw(st.sampled_from(["refuse", "warn"])),
    )


@st.composite
def signatures(draw: st.DrawFn) -> Signature:
    """Any signature of one to six inputs."""
    names = draw(st.lists(NAMES, min_size=1, max_size=6, unique=True))
    return Signature(tuple(draw(inputs(name)) for name in names), Output(kind="regression"))


def values(one: Input) -> st.SearchStrategy[object]:
    """Values an input may be sent as JSON, which has no infinity: mostly well formed, some not."""
    low, high = one.refused_beyond
    if one.dtype == "string":
        good: st.SearchStrategy[object] = TEXTS | st.sampled_from(one.categories or ("x",))
    elif one.dtype == "float":
        good = st.floats(low, high, allow_nan=False)
    else:
        good = st.integers(int(low), int(high)) | st.integers(int(low), int(high)).map(float)
    numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    strange = st.none() | st.booleans() | numbers | TEXTS | st.just([]) | st.just({})
    return good | good | good | strange
