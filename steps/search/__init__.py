"""The search for a model; the only door to PyCaret."""
