"""The wheel is complete: installed elsewhere, it generates a project without the repository."""

import itertools
import os
import re
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from pathlib import Path

import pytest

from gan2hls import __version__

ROOT = Path(__file__).resolve().parent.parent


def run(*command: str | Path, cwd: Path) -> str:
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PIP_CONSTRAINT"))
    }
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT, cwd=folder)
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Python of a new environment with gan2hls from the wheel; what it depends on comes from this one.

    A `.pth` file adds this environment's packages as a plain folder: `.pth` files in there, by which an editable
    gan2hls would come in, are not read.
    """
    folder = tmp_path_factory.mktemp("elsewhere") / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder.parent)
    executable = folder / "bin" / "python"
    installed = Path(
        run(executable, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder).strip()
    )
    (installed / "dependencies.pth").write_text(f"{sysconfig.get_path('purelib')}\n{sysconfig.get_path('platlib')}\n")
    options = ["--no-deps", "--no-index", "--quiet", "--disable-pip-version-check"]
    run(sys.executable, "-m", "pip", "--python", executable, "install", *options, wheel, cwd=folder)
    return executable


def tracked_files() -> set[str]:
    """What a clone would have; in a source archive without git, what is there."""
    folders = ("gan2hls", "hw", "templates", "sim")
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z", *folders], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout
        return {name for name in listed.split("\0") if name and (ROOT / name).exists()}
    except (OSError, subprocess.CalledProcessError):
        found = (path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file())
        return {str(path.relative_to(ROOT)) for path in found if "__pycache__" not in path.parts}


def test_the_wheel_has_every_file_in_its_place(wheel: Path) -> None:
    inside = set(zipfile.ZipFile(wheel).namelist())
    wanted = {name if name.startswith("gan2hls/") else f"gan2hls/{name}" for name in tracked_files()}
    assert wanted - inside == set()
    assert {name.split("/")[0] for name in inside} == {"gan2hls", wheel.name.rsplit("-", 3)[0] + ".dist-info"}
    assert not [name for name in inside if "__pycache__" in name or name.endswith((".pyc", ".tmp"))]
    assert "gan2hls/py.typed" in inside


def test_the_wheel_carries_its_license_and_its_command(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    info = f"{wheel.name.rsplit('-', 3)[0]}.dist-info"
    metadata = archive.read(f"{info}/METADATA").decode()
    assert "License-Expression: Apache-2.0" in metadata
    assert archive.read(f"{info}/licenses/LICENSE") == (ROOT / "LICENSE").read_bytes()
    assert "gan2hls = gan2hls.cli:main" in archive.read(f"{info}/entry_points.txt").decode()


def test_every_pin_satisfies_what_the_project_asks_for() -> None:
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    lines = [line.split("#")[0].strip() for line in (ROOT / "constraints.txt").read_text().splitlines()]
    pins = {canonicalize_name(name): version for name, version in (line.split("==") for line in lines if line)}
    assert "+" not in "".join(pins.values()), "a local version is not to be had everywhere"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for text in itertools.chain(project["dependencies"], *project["optional-dependencies"].values()):
        requirement = Requirement(text)
        name = canonicalize_name(requirement.name)
        if name != "gan2hls":
            assert name in pins, f"constraints.txt does not pin {name}"
            assert requirement.specifier.contains(pins[name], prereleases=True), f"{text}, but pinned {pins[name]}"


def test_the_installed_package_does_not_need_the_repository(python: Path, tmp_path: Path) -> None:
    code = """
import gan2hls.resources, gan2hls.tools
print(gan2hls.resources.__file__)
for parts in (("hw", "hls"), ("hw", "rtl"), ("templates", "hls"), ("templates", "rtl"), ("sim",)):
    print(gan2hls.resources.resource(*parts))
"""
    for line in run(python, "-c", code, cwd=tmp_path).splitlines():
        assert Path(line).is_relative_to(python.parent.parent), line


GENERATE = """
import sys
import torch
from torch import nn
import gan2hls

assert not gan2hls.__file__.startswith(sys.argv[1]), gan2hls.__file__
torch.manual_seed(0)
generator = nn.Sequential(
    nn.ConvTranspose2d(4, 6, 3, 1, 0), nn.BatchNorm2d(6), nn.ReLU(), nn.ConvTranspose2d(6, 1, 4, 2, 1), nn.Tanh()
).eval()
model = gan2hls.load(generator)
graph = gan2hls.quantize(model, torch.randn(32, 4, 1, 1))
gan2hls.build(graph, "project", multipliers=8)
"""


def test_a_wheel_generates_a_project_from_another_folder(python: Path, tmp_path: Path) -> None:
    run(python, "-c", GENERATE, ROOT, cwd=tmp_path)
    files = {path.suffix for path in (tmp_path / "project").rglob("*") if path.is_file()}
    assert {".h", ".cpp", ".sv", ".mem"} <= files
    for path in (tmp_path / "project").rglob("*"):
        assert not path.is_symlink(), f"{path} points out of the project"
        if path.suffix in (".sv", ".cpp", ".h", ".json", ".tcl"):
            assert str(ROOT) not in path.read_text(encoding="utf-8"), f"{path} names the repository's folder"


def test_the_command_of_the_wheel_starts(python: Path, wheel: Path, tmp_path: Path) -> None:
    assert "csim" in run(python.parent / "gan2hls", "--help", cwd=tmp_path)
    version = run(python.parent / "gan2hls", "--version", cwd=tmp_path).split()[-1]
    assert wheel.name.startswith(f"gan2hls-{version}-")


def test_the_changelog_tells_of_this_version() -> None:
    headings = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert __version__ in [heading.split(" ")[0] for heading in headings]
