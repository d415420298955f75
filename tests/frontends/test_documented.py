"""What the documents say is accepted, and what is, are the same."""

import re
from pathlib import Path

import pytest

from gan2hls.frontends import torch_activations
from gan2hls.frontends.torch_layers import ACCEPTED
from gan2hls.models.layer_types import LAYER_TYPES

ROOT = Path(__file__).resolve().parents[2]
NAMES = sorted(module.__name__ for module in torch_activations.MODULES)


def words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text))


@pytest.mark.parametrize("name", NAMES)
def test_every_activation_is_in_all_lists(name):
    layers = (ROOT / "README.md").read_text(encoding="utf-8").split("**Layers:**")[1].split("\n\n")[0]
    table = (ROOT / "docs" / "frontends.md").read_text(encoding="utf-8").split("| what | as |")[1].split("\n\n")[0]
    lists = {"README.md, Layers": layers, "docs/frontends.md": table, "ACCEPTED": ACCEPTED}
    assert [where for where, text in lists.items() if name not in words(text)] == []
    assert name in LAYER_TYPES, "an architecture has it, too"
