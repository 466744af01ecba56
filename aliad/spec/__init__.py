"""What a job is, for whoever imports no torch: model shape, recipe, spec, data."""
