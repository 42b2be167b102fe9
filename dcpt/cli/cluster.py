"""``dcpt corpus``: cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from dcpt.cli import show
from dcpt.cli.options import example, fresh_in
from dcpt.core.quantity import format_quantity

app = typer.Typer(
    help="Prepare corpora before a sweep.",
    no_args_is_help=True,
    epilog=example("dcpt corpus cluster docs.jsonl -o domains --clusters 3"),
)


@app.callback()
def _group() -> None:
    pass


@app.command(epilog=example("dcpt corpus cluster docs.jsonl -o domains --clusters 3"))
def cluster(
    source: Annotated[
        list[Path], typer.Argument(help="Files or folders of .jsonl, .jsonl.gz, .parquet or .txt.")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder to write.")],
    clusters: Annotated[
        int | None, typer.Option(min=1, help="Clusters wanted (default: as --merge says).")
    ] = None,
    merge: Annotated[
        float | None,
        typer.Option(help="Join clusters while a join loses at most this share of the variance (0.02)."),
    ] = None,
    centres: Annotated[
        int | None, typer.Option(min=1, help="Centres before joining (default: 1 per 40 documents, 20-1000).")
    ] = None,
    embed: Annotated[
        str, typer.Option(help="tfidf-svd, or the folder of a local embedding model.")
    ] = "tfidf-svd",
    units: Annotated[
        Literal["words", "characters"],
        typer.Option(help="What TF-IDF counts; characters for scripts without spaces."),
    ] = "words",
    column: Annotated[str, typer.Option(help="Field that holds the text.")] = "text",
    tokenizer: Annotated[
        Path | None, typer.Option(help="Count tokens with this tokenizer's folder (default: a BPE of 1024).")
    ] = None,
    sample: Annotated[
        int, typer.Option(min=10, help="Documents to learn from; the rest are assigned.")
    ] = 20_000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the k-means.")] = 0,
    role: Annotated[
        Literal["general", "domain"], typer.Option(help="Side of the clusters in the printed lines.")
    ] = "domain",
    force: Annotated[bool, typer.Option("--force", help="Replace a clustering that is there.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Divide a corpus into domains, one file each, for a sweep of mixtures.

    Prints the lines that a sweep file's corpora take; clusters.json holds sizes and top terms.
    """
    from dcpt.core.errors import ConfigError, DataError
    from dcpt.corpus.cluster import CLUSTERS, ClusterSettings, cluster_corpus, corpus_entries
    from dcpt.corpus.cluster_source import source_of

    if clusters is not None and merge is not None:
        raise ConfigError("--clusters and --merge both say when to stop; wanted one of them.")
    if tokenizer is not None and not tokenizer.is_dir():
        raise DataError(f"--tokenizer: there is no folder {tokenizer}; wanted one with a tokenizer.json.")
    fresh_in(output, CLUSTERS, force)
    settings = ClusterSettings(
        clusters=clusters,
        **({} if merge is None else {"merge": merge}),
        centres=centres,
        embed=None if embed == "tfidf-svd" else Path(embed),
        units=units,
        sample=sample,
        seed=seed,
        tokenizer=None if tokenizer is None else str(tokenizer),
    )
    sources = [source_of(path, column) for path in source]
    found = cluster_corpus(sources, output, settings, Path(), show.say)
    if json:
        show.document("corpus-cluster", {"path": str(output / CLUSTERS), **found})
        return
    rows = [
        {
            "cluster": item["name"],
            "documents": item["documents"],
            "tokens": format_quantity(item["tokens"]),
            "terms": ", ".join(item["terms"][:6]),
        }
        for item in found["clusters"]
    ]
    show.say(show.table(rows))
    # A sweep file's paths start at its own folder, wherever that will be.
    show.result(corpus_entries(found, role, output.resolve()))
