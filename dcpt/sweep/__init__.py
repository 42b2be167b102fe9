"""From a sweep file to a graph of runs to a loss table."""
