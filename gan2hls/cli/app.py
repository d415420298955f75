"""The program that commands register with, and what they write on."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from typer.core import TyperGroup

from gan2hls import exits
from gan2hls.errors import printable
from gan2hls.version import __version__

RUNS = Path("runs")
"""Folder of all that is made where no other is named."""


class _Commands(TyperGroup):
    def make_context(self, *arguments: Any, **keywords: Any) -> Any:
        with exits.readable_usage_errors():
            return super().make_context(*arguments, **keywords)

    def invoke(self, ctx: Any) -> Any:
        try:
            with exits.readable_usage_errors():
                return super().invoke(ctx)
        except KeyboardInterrupt as error:
            raise exits.Interrupted(*map(str, error.args)) from None
        except BrokenPipeError:
            raise BrokenPipeError from None  # without a number, by which typer would know it and exit with 1


app = typer.Typer(
    name="gan2hls",
    cls=_Commands,
    help="From a trained GAN generator to bit-exact Vitis-HLS C++ and SystemVerilog.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
console = exits.Screen(highlight=False, width=None if sys.stdout.isatty() else 120)
errors = exits.Screen(stderr=True, highlight=False)


def _version(value: bool) -> None:
    if value:
        console.print(f"gan2hls {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """From a trained GAN generator to bit-exact Vitis-HLS C++ and SystemVerilog."""


@contextmanager
def spinner() -> Iterator[Callable[[str], None]]:
    """On a terminal, a line that tells what is being done, and for how long."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("starting", total=None)

        def spin(text: str) -> None:
            progress.reset(task, description=text)

        yield spin


@contextmanager
def quiet(wanted: bool) -> Iterator[None]:
    """Say nothing of what is being done."""
    before, console.quiet = console.quiet, wanted
    try:
        yield
    finally:
        console.quiet = before


def say(text: str) -> None:
    """Print a line as it is: a path is never broken in two, nor taken for markup or a terminal's orders."""
    console.print(printable(text), markup=False, soft_wrap=True)


def frames(count: int) -> str:
    """As "1 frame" or "4 frames"."""
    return f"{count} frames" if count != 1 else "1 frame"


def main() -> None:
    """Entry point of the `gan2hls` command."""
    sys.exit(exits.run(lambda: app(prog_name="gan2hls")))
