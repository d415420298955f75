"""The command train."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from gan2hls.cli.app import RUNS, app, say


@app.command()
def train(
    config: Annotated[Path | None, typer.Option(help="TOML file. Default: 5,000 digits, about ten minutes.")] = None,
    out: Annotated[Path, typer.Option(help="Folder of the training run.")] = RUNS / "train",
    resume: Annotated[bool, typer.Option(help="Go on from the checkpoint in the folder, if there is one.")] = True,
) -> None:
    """Train a DCGAN on images; interrupted, it goes on where it stopped."""
    from gan2hls.models import training

    command = f"gan2hls train --config {config}" if config else "gan2hls train"
    settings = training.read_train_config(config)
    weights = training.train(settings, out, resume=resume, progress=sys.stderr.isatty(), command=command)
    say(f"generator: {weights}")
