"""One of our models, loaded: the same way for every step that scores."""

from __future__ import annotations

from pathlib import Path

import mlflow
import yaml
from mlflow.exceptions import MlflowException

from pyfunc.errors import ModelUnavailableError, Problem
from pyfunc.model import Scorer

UNREADABLE = (ImportError, AttributeError, TypeError, ValueError, KeyError)  # what pickles of other libraries raise
FIX = "Give the URI that `train` has answered, or models:/<name>/<version>."


def load(uri: str, fix: str = FIX, folder: Path | None = None) -> Scorer:
    """Load one of our models.

    Args:
        uri: as MLflow loads it.
        fix: what to do where that fails.
        folder: where its files are to lie; anywhere by default.

    Raises:
        ModelUnavailableError: no such model, or none of ours.
        ArtifactMismatchError: its files are not those that were saved.
    """
    try:
        model = mlflow.pyfunc.load_model(uri, dst_path=None if folder is None else str(folder))
    except (MlflowException, OSError, yaml.YAMLError, *UNREADABLE) as error:
        what = f"The model cannot be loaded ({type(error).__name__})."
        raise ModelUnavailableError(Problem("model_unavailable", what, uri, fix)) from error
    try:
        scorer = getattr(model.unwrap_python_model(), "scorer", None)
    except MlflowException:  # another flavour
        scorer = None
    if not isinstance(scorer, Scorer):
        what = "The model was not made by this project: it has no schema and no probabilities to judge."
        raise ModelUnavailableError(Problem("model_foreign", what, uri, fix))
    return scorer
