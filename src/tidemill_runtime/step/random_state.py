"""The states of the global random generators, so that a step goes on drawing where the one before stopped."""

from __future__ import annotations

import json
import random
import sys
from typing import Any, Dict


def save_random_state(path: str) -> None:
    """Write the states of `random`, and of numpy and torch where they are loaded."""
    version, words, gauss = random.getstate()
    state: Dict[str, Any] = {"schema_version": 1, "random": [version, list(words), gauss]}
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        kind, keys, position, has_gauss, cached = numpy_random.get_state()
        state["numpy"] = [kind, [int(key) for key in keys], int(position), int(has_gauss), float(cached)]
    torch = sys.modules.get("torch")
    if torch is not None:
        state["torch"] = torch.get_rng_state().tolist()
    with open(path, "w", encoding="ascii") as file:
        json.dump(state, file, separators=(",", ":"), sort_keys=True)


def restore_random_state(path: str) -> None:
    """Set the generators to the states in a file; imports numpy and torch when it has states of theirs."""
    with open(path, encoding="ascii") as file:
        state = json.load(file)
    version, words, gauss = state["random"]
    random.setstate((version, tuple(words), gauss))
    if "numpy" in state:
        import numpy

        kind, keys, position, has_gauss, cached = state["numpy"]
        numpy.random.set_state((kind, numpy.array(keys, dtype=numpy.uint32), position, has_gauss, cached))
    if "torch" in state:
        import torch

        torch.set_rng_state(torch.tensor(state["torch"], dtype=torch.uint8))
