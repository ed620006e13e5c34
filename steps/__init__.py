"""The verbs of Crisol: ingest, train, evaluate, promote, score, serve; each a function and a thin command."""
