"""Other people's logs into the loss table, one file per format."""
