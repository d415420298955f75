"""Configuration: what is read, and one message for everything that is wrong."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from gan2hls.config import from_mapping, read_toml
from gan2hls.errors import UserError, raise_problems


@dataclass(frozen=True)
class Fold:
    pe: int
    simd: int = 1

    def __post_init__(self) -> None:
        raise_problems(f"{name} must be 1 or more" for name in ("pe", "simd") if getattr(self, name) < 1)


@dataclass(frozen=True)
class Settings:
    weight_bits: int
    method: Literal["minmax", "mse"] = "minmax"
    fraction: float = 0.5
    leaky: bool = False
    model: Path = Path("generator.pt")
    name: str | None = None
    depth: int | str = "auto"
    folds: dict[str, Fold] = field(default_factory=dict)
    default_fold: Fold = Fold(1)
    image: tuple[int, int, int] = (28, 28, 1)
    labels: list[str] = field(default_factory=list)
    widths: tuple[int, ...] = ()
    pair: tuple[int, str] = (0, "")
    anything: Any = None


def test_reads_every_kind_of_value() -> None:
    settings = from_mapping(
        Settings,
        {
            "weight_bits": 4,
            "method": "mse",
            "fraction": 1,
            "leaky": True,
            "model": "a/b.pt",
            "name": "digits",
            "depth": 3,
            "folds": {"layers.0": {"pe": 2, "simd": 8}},
            "default_fold": {"pe": 5},
            "image": [32, 32, 3],
            "labels": ["a", "b"],
            "widths": [1, 2, 3, 4],
            "pair": [7, "seven"],
            "anything": {"goes": [1]},
        },
        "net.toml",
    )
    assert settings == Settings(
        weight_bits=4,
        method="mse",
        fraction=1.0,
        leaky=True,
        model=Path("a/b.pt"),
        name="digits",
        depth=3,
        folds={"layers.0": Fold(2, 8)},
        default_fold=Fold(5),
        image=(32, 32, 3),
        labels=["a", "b"],
        widths=(1, 2, 3, 4),
        pair=(7, "seven"),
        anything={"goes": [1]},
    )
    assert isinstance(settings.fraction, float)


def test_defaults_stand_where_a_key_is_left_out() -> None:
    assert from_mapping(Settings, {"weight_bits": 8}, "net.toml") == Settings(8)


def test_none_is_accepted_only_where_the_type_says_so() -> None:
    assert from_mapping(Settings, {"weight_bits": 8, "name": None}, "here").name is None
    with pytest.raises(UserError, match=r"here\.leaky: expected true or false, got None"):
        from_mapping(Settings, {"weight_bits": 8, "leaky": None}, "here")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"weight_bit": 4}, "net.toml: unknown key 'weight_bit'; did you mean 'weight_bits'? (accepted: weight_bits, "),
        ({"zzz": 4}, "net.toml: unknown key 'zzz' (accepted: weight_bits, "),
        ({}, "net.toml: key 'weight_bits' is missing"),
        ({"weight_bits": "8"}, "net.toml.weight_bits: expected an integer, got '8'"),
        ({"weight_bits": 8.0}, "net.toml.weight_bits: expected an integer, got 8.0"),
        ({"weight_bits": True}, "net.toml.weight_bits: expected an integer, got True"),
        ({"method": "max"}, "net.toml.method: 'max' is not accepted; use one of 'minmax', 'mse'"),
        ({"fraction": "half"}, "net.toml.fraction: expected a number, got 'half'"),
        ({"fraction": True}, "net.toml.fraction: expected a number, got True"),
        ({"leaky": 1}, "net.toml.leaky: expected true or false, got 1"),
        ({"model": 1}, "net.toml.model: expected a path, got 1"),
        ({"name": 1}, "net.toml.name: expected a string, got 1"),
        ({"depth": 1.5}, "net.toml.depth: expected an integer or a string, got 1.5"),
        ({"folds": 3}, "net.toml.folds: expected a table, got 3"),
        ({"folds": {"a": 3}}, "net.toml.folds.a: expected a table, got 3"),
        ({"folds": {"a": {"simd": 2}}}, "net.toml.folds.a: key 'pe' is missing"),
        ({"folds": {"a": {"pe": 0}}}, "net.toml.folds.a: pe must be 1 or more"),
        ({"default_fold": {"pe": 1, "simb": 2}}, "net.toml.default_fold: unknown key 'simb'; did you mean 'simd'?"),
        ({"image": [1, 2]}, "net.toml.image: expected 3 values, got 2"),
        ({"image": [1, 2, "3"]}, "net.toml.image[2]: expected an integer, got '3'"),
        ({"image": 28}, "net.toml.image: expected a list, got 28"),
        ({"labels": "abc"}, "net.toml.labels: expected a list, got 'abc'"),
        ({"pair": ["x", "y"]}, "net.toml.pair[0]: expected an integer, got 'x'"),
    ],
)
def test_says_what_is_wrong_and_where(values: dict[str, Any], message: str) -> None:
    complete = values if "weight_bit" in str(values) or not values else {"weight_bits": 8, **values}
    with pytest.raises(UserError) as caught:
        from_mapping(Settings, complete, "net.toml")
    assert message in str(caught.value)


def test_reports_all_problems_at_once() -> None:
    with pytest.raises(UserError) as caught:
        from_mapping(Settings, {"metod": "mse", "leaky": 1, "folds": {"a": {"pe": 0, "simd": 0}}}, "net.toml")
    assert len(str(caught.value).splitlines()) == 5
    for part in ("metod", "weight_bits", "leaky", "pe must be", "simd must be"):
        assert part in str(caught.value)


@dataclass(frozen=True)
class Choice:
    one_or_true: Literal[1, "yes"] = 1


def test_a_literal_is_compared_with_its_type() -> None:
    with pytest.raises(UserError, match="True is not accepted; use one of 1, 'yes'"):
        from_mapping(Choice, {"one_or_true": True}, "here")


def test_a_section_that_is_no_table() -> None:
    with pytest.raises(UserError, match=r"here: expected a table, got \[\]"):
        from_mapping(Choice, [], "here")  # type: ignore[arg-type]


def test_read_toml(tmp_path: Path) -> None:
    path = tmp_path / "net.toml"
    path.write_text('[folds."layers.0"]\npe = 2  # ×\n', encoding="utf-8")
    assert read_toml(path) == {"folds": {"layers.0": {"pe": 2}}}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file"),
        (b"pe = ", "not readable as TOML"),
        (b"\xff\xfe", "not readable"),
    ],
)
def test_read_toml_names_a_file_that_can_not_be_read(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "net.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        read_toml(path)
    assert str(caught.value).startswith(f"{path}: {message}")


def test_read_toml_of_a_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="a folder; name a regular file"):
        read_toml(tmp_path)


def test_raise_problems_puts_a_heading_above_several() -> None:
    raise_problems([], "net.toml")
    with pytest.raises(UserError, match="^pe is 0$"):
        raise_problems(["pe is 0"], "net.toml has problems:")
    with pytest.raises(UserError, match="^net.toml has problems:\n  pe is 0\n  simd is 0$"):
        raise_problems(["pe is 0", "simd is 0"], "net.toml has problems:")
