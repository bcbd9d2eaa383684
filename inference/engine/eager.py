"""Types that msgspec knows before the first thread needs them."""

from typing import TypeVar

import msgspec

Type = TypeVar("Type", bound=type)


def eager(type_: Type) -> Type:
    """Let msgspec learn a type that it decodes or converts to, as the class is made.

    By itself it learns a type at its first use, and lets other threads see the type half learned: two threads that
    use one first at the same time crash the process (msgspec 0.22, `StructInfo` and `DataclassInfo`).
    """
    msgspec.json.Decoder(type_)
    return type_
