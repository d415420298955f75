"""The command doctor."""

from collections.abc import Iterator

from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

from gan2hls.cli.app import app, console, say
from gan2hls.tools import DoctorRow, doctor_rows


@app.command()
def doctor() -> None:
    """Say which tools are found, their versions, and what each missing one costs."""
    rows = doctor_rows()
    found, missing = [row for row in rows if row.found], [row for row in rows if not row.found]
    table = Table.grid(padding=(0, 2, 0, 0))
    for row in found:
        table.add_row(row.name, row.version or "found", escape(row.purpose))
    console.print("[bold green]found[/bold green]")
    console.print(Padding(table, (0, 0, 0, 2)))
    if missing:
        console.print("\n[bold yellow]missing[/bold yellow]")
    for row in missing:
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_row("for", escape(row.purpose))
        table.add_row("without it", escape(row.without))
        table.add_row("to get it", escape(row.install))
        console.print(f"  {row.name}: [yellow]{escape(row.problem)}[/yellow]")
        console.print(Padding(table, (0, 0, 0, 4)))
    console.print()
    for line in _abilities(rows):
        say(line)


def _abilities(rows: list[DoctorRow]) -> Iterator[str]:
    """What can be done here, as far as it depends on tools."""
    from gan2hls.simulate import COSIM_TOOLS, CSIM_TOOLS

    lacking = {row.name for row in rows if not row.found}
    for command, tools in (("csim", CSIM_TOOLS), ("cosim, report, demo", (*CSIM_TOOLS, *COSIM_TOOLS))):
        needed = [name for name in dict.fromkeys(tools) if name in lacking]
        yield f"gan2hls {command}: " + (f"can not run here without {', '.join(needed)}" if needed else "can run here")
