"""Options and paths of the command line that can not be."""

from collections.abc import Iterator
from pathlib import Path

from tests.bad_inputs.case import MODEL, PROJECT, Case, words

DIGITS = "9" * 400
MANY_DIGITS = "9" * 5000
LONG, LONGER = "n" * 300, "n" * 5000
NOBODY = 65534

BUILD, ESTIMATE, SYNTH = f"build {MODEL}", f"estimate {MODEL} --target ecp5-85k", f"synth {PROJECT} --target ecp5-85k"
SWEEP = f"sweep {MODEL}"

NUMBERS: dict[tuple[str, str], tuple[str, ...]] = {
    # command, option → values
    (BUILD, "--multipliers"): ("0", "-1", "1", "1.5", "many", "", "0x40", DIGITS, MANY_DIGITS, "nan"),
    (BUILD + " --target ecp5-85k", "--dsps"): ("0", "-1", "157", "1e3", DIGITS),
    (BUILD, "--frames-per-second"): ("0", "-1", "nan", "inf", "1e-300", "1e-320", "1e300", DIGITS, "fast"),
    (BUILD, "--clock"): ("0", "-5", "nan", "inf", "-inf", "1e-320", "1e-300", "1e300", DIGITS, "200MHz"),
    (BUILD, "--weight-bits"): ("0", "17", "-8", "8.5", "1e1", DIGITS, MANY_DIGITS, "eight"),
    (BUILD, "--activation-bits"): ("0", "1", "17", DIGITS),
    (ESTIMATE, "--clock"): ("0", "nan", "inf", "1e-320", DIGITS),
    (f"estimate {PROJECT} --target ecp5-85k", "--clock"): ("0", "nan", "inf", "1e-320", DIGITS),
    (SYNTH, "--clock"): ("0", "-1", "nan", "inf", "1e-320", "1e300"),
    (SYNTH, "--seeds"): ("0", "-1", "1000000000000", DIGITS, MANY_DIGITS, "one"),
    (SWEEP, "--jobs"): ("0", "-1", "1000000", DIGITS),
    (SWEEP, "--seeds"): ("0", "-1", "1000000000000"),
    (SWEEP, "--clock"): ("0", "nan", "inf", "1e-320"),
    (SWEEP, "--search"): ("-1", "1000000000000", DIGITS),
    (SWEEP, "--weight-bits"): ("0", "2,,3", "2,2", "2-8", ",", "", DIGITS, MANY_DIGITS, "2," * 5000 + "3"),
    (SWEEP, "--multipliers"): ("0", "-1", "1.5", DIGITS, MANY_DIGITS),
    (SWEEP, "--frames-per-second"): ("0", "nan", "inf", "1e-300", "1e999"),
    (SWEEP, "--quantizer"): ("none", "symmetric,symmetric", LONG),
    (SWEEP, "--target"): ("none", "ecp5-85k,ecp5-85k", LONGER, "\x1b[2J"),
    (SWEEP, "--scheduler"): ("host", "tcp://", "tcp://h:99999999", "file:///etc/passwd", LONGER, "tcp://\x1b[2J:1"),
}


def short(value: str) -> str:
    return value if len(value) <= 12 else f"{value[:6]}… of {len(value)}"


def numbers() -> Iterator[tuple[str, Case]]:
    for (line, option), values in NUMBERS.items():
        for value in values:
            name = option.removeprefix("--")
            says = (name.replace("-", "_") if line.startswith((BUILD, SWEEP)) and not name.startswith("clock") else "",)
            needs = PROJECT in line.split()
            shown = short(value).replace("\x1b", "ESC")
            yield f"{line.split()[0]} {option} {shown!r}", Case((*words(line), option, value), says[:0], project=needs)


def deep(folder: Path) -> None:
    """A folder that others may not search, in one that they may."""
    (folder / "closed").mkdir()
    for name in ("c.toml", "a.toml", "latents.npy", MODEL):
        (folder / "closed" / name).write_bytes((folder / "tiny.json").read_bytes())
    (folder / "closed").chmod(0)


def file_in_the_way(folder: Path) -> None:
    (folder / "note").write_text("a note")


PATHS: dict[str, str] = {
    "weights": "build {}",
    "weights of a sweep": "sweep {}",
    "architecture": f"build {MODEL} --architecture {{}}",
    "config": f"build {MODEL} --config {{}}",
    "config of training": "train --config {}",
    "out": f"build {MODEL} --out {{}}",
    "out of a sweep": f"sweep {MODEL} --out {{}}",
    "out of training": "train --out {}",
    "out of the demo": "demo --out {}",
    "waves": f"cosim {MODEL} --waves {{}}",
    "project of synth": "synth {} --target xcup",
    "project of estimate": "estimate {} --target xcup",
}
NAMES: dict[str, str] = {
    "a name of 300 letters": LONG + ".toml",
    "a path of 5,000 letters": "n/" * 2500 + "a.toml",
    "a name of 5,000 letters": LONGER,
    "a name in a file": "note/a/b.toml",
    "an empty name": "",
}


def paths() -> Iterator[tuple[str, Case]]:
    for door, line in PATHS.items():
        for kind, name in NAMES.items():
            given = tuple(word.replace("{}", name) for word in line.split())
            yield f"{door}: {kind}", Case(given, (), file_in_the_way)
        if door not in ("out", "out of a sweep", "out of training", "out of the demo", "waves"):
            given = tuple(word.replace("{}", "closed/c.toml") for word in line.split())
            yield f"{door}: in a closed folder", Case(given, ("closed",), deep, user=NOBODY)
        for kind, name in {
            "escapes": "\x1b[2J\x07.toml",
            "markup": "[red]a[/].toml",
            "no UTF-8": "\udcff.toml",
        }.items():
            if not door.startswith("out"):
                given = tuple(word.replace("{}", f"no/{name}") for word in line.split())
                yield f"{door}: {kind} in its name", Case(given, (), file_in_the_way)


OTHERS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "unknown target": (words(f"build {MODEL} --target nonesuch"), ("unknown target 'nonesuch'",)),
    "target of 5,000 letters": (words(f"build {MODEL} --target {LONGER}"), ("unknown target",)),
    "target with markup": (("estimate", MODEL, "--target", "[red]x[/]"), ("[red]x[/]",)),
    "target with escapes": (("estimate", MODEL, "--target", "\x1b[2J"), ("\\x1b[2J",)),
    "unknown command": (("fl\x1by",), ("No such command",)),
    "unknown option": (("build", "--fl\x1by"), ("No such option",)),
    "too many words": (words(f"build {MODEL} {MODEL}"), ("unexpected extra argument",)),
    "5,000 words": (("build", *["x"] * 5000), ("unexpected extra argument",)),
    "option twice without value": (words("build --multipliers"), ("requires an argument",)),
    "two wishes": (words(f"build {MODEL} --multipliers 4 --frames-per-second 5"), ("use one of them",)),
    "dsps without target": (words(f"build {MODEL} --dsps 8"), ("dsps needs a target",)),
    "jobs and scheduler": (words(f"{SWEEP} --jobs 1 --scheduler tcp://h:1"), ("use one of them",)),
    "synth of weights": (words(f"synth {MODEL} --target xcup"), (MODEL, "not a project")),
    "synth of an empty folder": (words("synth . --target xcup"), ("not a project",)),
    "synth without target": (words(f"synth {PROJECT}"), ("Missing option",)),
    "estimate of a card": (words("estimate tiny.json --target xcup"), ("tiny.json",)),
    "architecture without weights": (words("build --architecture tiny.json"), ("tiny.json", "without weights")),
    "weights in place of an architecture": (
        words(f"build {MODEL} --architecture {MODEL}"),
        (MODEL, ".toml or a .json"),
    ),
    "weights in place of a config": (words(f"build {MODEL} --config {MODEL}"), (MODEL, "not readable as TOML")),
    "a card in place of weights": (words("build tiny.json"), ("tiny.json", "accepted: .safetensors")),
    "a device as weights": (words("build /dev/zero"), ("/dev/zero", "a device")),
    "a device as config": (words(f"build {MODEL} --config /dev/zero"), ("/dev/zero", "a device")),
    "standard input as config": (words(f"build {MODEL} --config /dev/stdin"), ("/dev/stdin", "a device")),
    "a folder as weights": (words("build /"), ("/",)),
    "out in a device": (words(f"build {MODEL} --out /dev/null"), ("/dev/null", "a file is in the way")),
    "out under a device": (words(f"build {MODEL} --out /dev/null/x"), ("/dev/null", "is a file")),
    "out over weights": (words(f"build {MODEL} --out {MODEL}"), (MODEL, "a file is in the way")),
    "out over another's folder": (words(f"build {MODEL} --out ."), ("not made by gan2hls",)),
    "out over a project": (words(f"build {MODEL} --out {PROJECT}"), ("holds a project",)),
    "waves over a folder": (words(f"cosim {MODEL} --waves ."), ("--waves", "name a file")),
    "waves over a device": (words(f"cosim {MODEL} --waves /dev/zero"), ("--waves", "name a file")),
    "unknown tool": (words(f"{SYNTH} --tool none"), ("unknown tool 'none'",)),
    "netlist of a family without models": (words(f"synth {PROJECT} --target none --check"), ("unknown target 'none'",)),
}

LIMITS: dict[str, tuple[str, str]] = {
    "limit of no number": ("GAN2HLS_MAX_FILE_BYTES", "many"),
    "limit of 0": ("GAN2HLS_MAX_FILE_BYTES", "0"),
    "negative limit": ("GAN2HLS_MAX_TEXT_BYTES", "-1"),
    "limit of 400 digits": ("GAN2HLS_MAX_FRAMES", DIGITS),
    "empty limit": ("GAN2HLS_MAX_ARRAY_BYTES", ""),
    "file beyond its limit": ("GAN2HLS_MAX_FILE_BYTES", "100"),
    "text beyond its limit": ("GAN2HLS_MAX_TEXT_BYTES", "10"),
    "array beyond its limit": ("GAN2HLS_MAX_ARRAY_BYTES", "100"),
    "frames beyond their limit": ("GAN2HLS_MAX_FRAMES", "10"),
}


def others() -> Iterator[tuple[str, Case]]:
    for name, (given, says) in OTHERS.items():
        yield name, Case(given, says, project=PROJECT in given)
    for name, (variable, value) in LIMITS.items():
        yield name, Case(words(f"build {MODEL}"), (variable,), environment=((variable, value),))


CASES = dict([*numbers(), *paths(), *others()])
