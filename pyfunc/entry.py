"""What MLflow runs to make the model (models-from-code)."""

from mlflow.models import set_model

from pyfunc.model import CrisolModel

set_model(CrisolModel())
