"""One self-contained HTML page per folder of results."""
