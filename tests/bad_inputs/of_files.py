"""Files that are none, that are too large, damaged, hostile or nested without end, at each door that reads one."""

import json
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.bad_inputs.case import MODEL, Case, words

Make = Callable[[Path], Any]


# What is no regular file, in the place of each file that gan2hls reads.


def fifo(path: Path) -> None:
    os.mkfifo(path)


def folder_in_place(path: Path) -> None:
    path.mkdir()


def unix_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        here = os.getcwd()
        os.chdir(path.parent)  # a socket's path is short
        try:
            listener.bind(path.name)
        finally:
            os.chdir(here)


def endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def terminal(path: Path) -> None:
    path.symlink_to("/dev/tty")


def dangling(path: Path) -> None:
    path.symlink_to("nothing-there")


def link_to_itself(path: Path) -> None:
    path.symlink_to(path.name)


def secret(path: Path) -> None:
    path.write_text("")
    path.chmod(0)


def sparse(path: Path) -> None:
    """Five terabytes that take no room."""
    with path.open("wb") as stream:
        stream.truncate(5 << 40)


NO_FILES: dict[str, tuple[Make, str]] = {
    "FIFO": (fifo, "a FIFO"),
    "folder": (folder_in_place, "a folder"),
    "socket": (unix_socket, "a socket"),
    "endless device": (endless, "a device"),
    "terminal": (terminal, "a device"),
    "dangling link": (dangling, "no such file"),
    "link to itself": (link_to_itself, "symbolic links"),
    "unreadable file": (secret, "not readable"),
    "5 TB": (sparse, "GAN2HLS_MAX_"),
}


def replaced(name: str, make: Make, also: Make | None = None) -> Make:
    def do(folder: Path) -> None:
        if also is not None:
            also(folder)
        path = folder / name
        path.unlink(missing_ok=True)
        make(path)

    return do


def text(name: str, content: str | bytes) -> Make:
    data = content.encode() if isinstance(content, str) else content
    return lambda folder: (folder / name).write_bytes(data)


CALIBRATED = text("c.toml", '[calibration]\nfile = "latents.npy"\n')
DATA_IDX = text("t.toml", '[data]\nsource = "idx"\npath = "images.idx"\n')
DATA_NPZ = text("t.toml", '[data]\nsource = "npz"\npath = "images.npz"\n')
DATA_FOLDER = text("t.toml", '[data]\nsource = "folder"\npath = "images"\n')


def in_images(make: Make) -> Make:
    def do(path: Path) -> None:
        path.parent.mkdir()
        make(path)

    return do


DOORS: dict[str, tuple[str, str, Make | None]] = {
    "weights": (MODEL, f"build {MODEL}", None),
    "weights.pth": ("tiny.pth", "build tiny.pth", None),
    "card": ("tiny.json", f"build {MODEL}", None),
    "architecture": ("a.toml", f"quantize {MODEL} --architecture a.toml", None),
    "architecture.json": ("a.json", f"estimate {MODEL} --architecture a.json --target xcup", None),
    "config": ("c.toml", f"csim {MODEL} --config c.toml", None),
    "sweep's config": ("c.toml", f"sweep {MODEL} --config c.toml", None),
    "training config": ("t.toml", "train --config t.toml", None),
    "calibration": ("latents.npy", f"quantize {MODEL} --config c.toml", CALIBRATED),
    "IDX": ("images.idx", "train --config t.toml", DATA_IDX),
    "NPZ": ("images.npz", "train --config t.toml", DATA_NPZ),
}
OPTIONAL = ("card",)
"""Files that need not be there: without one, the message is that it is missed."""


def no_files() -> Iterator[tuple[str, Case]]:
    for door, (name, line, also) in DOORS.items():
        for kind, (make, said) in NO_FILES.items():
            missing = said in ("no such file", "a folder") and door in OPTIONAL
            yield (
                f"{kind} as {door}",
                Case(
                    words(line),
                    (name, "architecture" if missing else said),
                    replaced(name, make, also),
                    user=65534 if make is secret else None,
                ),
            )
    for kind in ("FIFO", "socket", "endless device", "dangling link", "5 TB", "unreadable file"):
        make, said = NO_FILES[kind]
        yield (
            f"{kind} as image",
            Case(
                words("train --config t.toml"),
                ("images/a.png", said),
                replaced("images/a.png", in_images(make), DATA_FOLDER),
                user=65534 if make is secret else None,
            ),
        )


# Text that no parser should follow.

NESTED = 100_000
CARD = '{"architecture": %s}'
TEXTS: dict[str, tuple[str, str | bytes]] = {
    # what it is → TOML, JSON
    "empty": ("", ""),
    "binary": (b"\x00\xff\xfe\x80" * 99, b"\x00\xff\xfe\x80" * 99),
    "UTF-16": ("[model]\n".encode("utf-16"), '{"architecture": {}}'.encode("utf-16")),
    "half a text": ('[model]\nsource = "', '{"architecture": {"input_sh'),
    "nested lists": ("x = " + "[" * NESTED + "]" * NESTED, "[" * NESTED + "]" * NESTED),
    "nested tables": ("x = " + "{a=" * NESTED + "1" + "}" * NESTED, '{"a":' * NESTED + "1" + "}" * NESTED),
    "nested 200 deep": ("x = " + "[" * 200 + "]" * 200, '{"architecture":' * 200 + "1" + "}" * 200),
    "long dotted key": (".".join(["a"] * 50_000) + " = 1", '{"' + "a." * 50_000 + '": 1}'),
    "long table name": ("[" + ".".join(["a"] * 50_000) + "]\n", '{"input_shape": ' + "[" * 3000),
    "integer of 5,000 digits": ("[quantize]\nweight_bits = " + "9" * 5000, '{"input_shape": [' + "9" * 5000 + "]}"),
    "integer of 400 digits": ("[quantize]\nweight_bits = " + "9" * 400, '{"input_shape": [' + "9" * 400 + "]}"),
    "string of 10 MB": (
        '[quantize]\nmethod = "' + "x" * 10_000_000 + '"',
        '{"input_shape": "' + "x" * 10_000_000 + '"}',
    ),
    "key of 1 MB": ("[quantize]\n" + "k" * 1_000_000 + " = 1", '{"' + "k" * 1_000_000 + '": 1}'),
    "terminal escapes": (
        '[quantize]\n"\\u001b[2J\\u001b]0;owned\\u0007" = 1',
        '{"\\u001b[2J\\u001b]0;owned\\u0007": 1, "layers": []}',
    ),
    "right-to-left": ('[quantize]\n"\\u202egnp.exe" = 1', '{"\\u202egnp.exe": 1, "layers": []}'),
    "markup": ('[quantize]\n"[red]x[/red][/]" = 1', '{"[red]x[/red][/]": 1, "layers": []}'),
    "20,000 unknown keys": (
        "[quantize]\n" + "\n".join(f"key{i} = 1" for i in range(20_000)),
        json.dumps({f"key{i}": 1 for i in range(20_000)} | {"layers": []}),
    ),
    "surrogate": ('[quantize]\nmethod = "\\ud800"', '{"input_shape": "\\ud800", "layers": []}'),
    "list in place of a table": ("quantize = []", "[]"),
    "number in place of a table": ("quantize = 3", "3"),
    "null": ("[quantize]\nweight_bits = null", "null"),
    "doubled key": ("[quantize]\nweight_bits = 8\nweight_bits = 4", '{"layers": [], "layers": {}}'),
}


def texts() -> Iterator[tuple[str, Case]]:
    for kind, (toml, js) in TEXTS.items():
        if kind not in ("empty",):
            yield (
                f"config: {kind}",
                Case(words(f"build {MODEL} --config c.toml"), ("c.toml",), text("c.toml", toml), most_lines=25),
            )
            yield (
                f"sweep's config: {kind}",
                Case(words(f"sweep {MODEL} --config c.toml"), ("c.toml",), text("c.toml", toml), most_lines=25),
            )
            yield (
                f"training config: {kind}",
                Case(words("train --config t.toml"), ("t.toml",), text("t.toml", toml), most_lines=25),
            )
        yield (
            f"architecture: {kind}",
            Case(words(f"build {MODEL} --architecture a.toml"), ("a.toml",), text("a.toml", toml), most_lines=25),
        )
        yield f"card: {kind}", Case(words(f"build {MODEL}"), ("tiny.json",), text("tiny.json", js), most_lines=25)
        yield (
            f"architecture.json: {kind}",
            Case(words(f"build {MODEL} --architecture a.json"), ("a.json",), text("a.json", js), most_lines=25),
        )


CASES = dict([*no_files(), *texts()])
