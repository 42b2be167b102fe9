"""The command ``dcpt``: its verbs, and one place where errors become sentences and exit codes."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from typer.core import TyperGroup

from dcpt import __version__
from dcpt.cli import (
    cluster,
    compare,
    demo,
    doctor,
    fit,
    ingest,
    launch,
    laws,
    next_runs,
    plan,
    predict,
    report,
    schema,
    sweep,
)
from dcpt.cli.options import example
from dcpt.core.errors import DataError, DcptError

VERBS = (
    "demo", "corpus", "sweep", "ingest", "fit", "predict", "plan", "next", "launch", "compare", "report",
    "laws", "schema", "doctor",
)  # fmt: skip
"""The commands in the order people use them."""


class _InOrder(TyperGroup):
    def list_commands(self, context: object) -> list[str]:
        return sorted(self.commands, key=VERBS.index)


app = typer.Typer(
    name="dcpt",
    cls=_InOrder,
    help="Find the data mixture for continual pre-training from small proxy runs.",
    epilog=example("dcpt demo"),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(cluster.app, name="corpus")
app.add_typer(sweep.app, name="sweep")
app.add_typer(ingest.app, name="ingest")
app.add_typer(laws.app, name="laws")
for _name, _function, _example in (
    ("demo", demo.demo, "dcpt demo"),
    ("fit", fit.fit, "dcpt fit losses.csv -o fits/mine"),
    ("predict", predict.predict, "dcpt predict fits/mine --at N=1M,D=2M,r=0.3"),
    ("plan", plan.plan, "dcpt plan fits/mine --at N=1M,D=2M --keep 'general <= +5%'"),
    ("next", next_runs.next_runs, "dcpt next fits/mine --at N=1M,D=2M --keep 'general <= +5%'"),
    ("launch", launch.launch, "dcpt launch fits/mine/plan.json --sweep experiments/mine --dry-run"),
    ("compare", compare.compare, "dcpt compare fits/mine"),
    ("report", report.report, "dcpt report fits/mine"),
    ("schema", schema.schema, "dcpt schema sweep"),
    ("doctor", doctor.doctor, "dcpt doctor"),
):
    app.command(_name, epilog=example(_example))(_function)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"dcpt {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line; a known error is one sentence on stderr and its exit code."""
    try:
        app(prog_name="dcpt")
    except DcptError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except OSError as error:
        # A path that the system refuses (a name too long, no permission) is the user's to mend.
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(DataError.exit_code)
