"""The table of options: each is declared once, and changes a setting that there is."""

import ast
import dataclasses
import typing
from collections import Counter
from pathlib import Path

import pytest
import typer

from gan2hls import cli
from gan2hls.cli.options import BuildOptions, EstimateOptions, Setting, SweepOptions, changes, taking
from gan2hls.errors import UserError
from gan2hls.flow_config import FlowConfig, read_flow_config

CLASSES = (BuildOptions, EstimateOptions, SweepOptions)


def declarations() -> list[str]:
    """Help of each `typer.Option` and `typer.Argument` of the command line's files."""
    found = []
    for path in Path(cli.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("typer.Option", "typer.Argument"):
                found += [ast.unparse(keyword.value) for keyword in node.keywords if keyword.arg == "help"]
    return found


def test_no_option_is_written_out_twice() -> None:
    found = Counter(declarations())
    assert len(found) >= 40
    assert {text: count for text, count in found.items() if count > 1} == {}


@pytest.mark.parametrize("options", CLASSES)
def test_an_option_changes_a_setting_that_there_is(options: type) -> None:
    sections = typing.get_type_hints(FlowConfig)
    for name, hint in typing.get_type_hints(options, include_extras=True).items():
        for setting in (entry for entry in typing.get_args(hint) if isinstance(entry, Setting)):
            keys = {field.name for field in dataclasses.fields(sections[setting.section])}
            assert setting.key in keys, f"{name}: section [{setting.section}] has no key {setting.key}"


def test_what_is_not_given_changes_nothing() -> None:
    assert changes(BuildOptions(out=Path("out"), config=Path("c.toml"))) == []
    assert read_flow_config(None, changes(SweepOptions())) == FlowConfig()


def test_what_is_given_goes_to_its_setting() -> None:
    given = changes(
        BuildOptions(model=Path("a.pth"), weight_bits=4, bias_correction=False, quantizer="symmetric", clock=50)
    )
    assert sorted(given) == [
        ("hls", "clock_mhz", 50),
        ("model", "source", "a.pth"),
        ("quantize", "bias_correction", False),
        ("quantize", "weight_bits", 4),
        ("quantize", "weight_quantizer", "symmetric"),
    ]


def test_lists() -> None:
    given = changes(SweepOptions(weight_bits="2, 3,4", frames_per_second="1e3", quantizer="symmetric"))
    assert ("sweep", "weight_bits", [2, 3, 4]) in given
    assert ("sweep", "frames_per_second", [1000.0]) in given
    assert ("sweep", "weight_quantizer", ["symmetric"]) in given
    for text in ("2,,3", "two", ""):
        with pytest.raises(UserError, match=rf"^--weight-bits '{text}' is not accepted; give integers with commas"):
            changes(SweepOptions(weight_bits=text))


def test_a_class_of_options_becomes_options_in_its_place() -> None:
    app = typer.Typer()
    seen = []

    @app.command()
    @taking
    def command(first: int, options: EstimateOptions, last: bool = False) -> None:
        seen.append((first, options, last))

    app(["3", "model", "--weight-bits", "4", "--last"], standalone_mode=False)
    assert seen == [(3, EstimateOptions(model=Path("model"), weight_bits=4), True)]
