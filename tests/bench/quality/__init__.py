"""Model quality in the same budget, beside other products."""
