"""What a run of guide and model does, recorded."""
