"""A fitted pipeline as plain arrays and native trees: the same answers without pandas, scikit-learn and PyCaret.

`extract` reads a pipeline and makes a `plan.Plan` of it; `files` writes and reads one. A plan answers columns
(`pyfunc.columns`) in batches and single rows. The pipeline is its specification: where the two differ by more than
1e-9, the plan is not used.
"""
