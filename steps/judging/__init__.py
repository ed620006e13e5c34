"""How good a model really is: figures with bounds, plots, the report, and the gate."""
