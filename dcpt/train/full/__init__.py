"""The full run: one run over several processes, its weights and optimizer in shards (FSDP2)."""
