"""A fit of losses by mixture and a question about many corpora -> a mixture, how sure, at which price."""
