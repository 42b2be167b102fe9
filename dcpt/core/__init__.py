"""What every room shares: words, units, errors, specs, files and the loss table."""
