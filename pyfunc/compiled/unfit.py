"""Why a pipeline is not compiled."""


class NotCompiledError(Exception):
    """The step that stands in the way, in words."""
