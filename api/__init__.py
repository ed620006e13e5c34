"""The HTTP face of Crisol: parse, call, answer. It never trains."""
