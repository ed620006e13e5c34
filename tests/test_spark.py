"""Spark: the untyped signature through `mlflow.pyfunc.spark_udf`, in an environment of its own.

pyspark 3.5.8 is the one that works with the locked pandas; it needs Java. Without Java or uv this is skipped.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest

from tests.api.served import ROW, register

ROOT = Path(__file__).resolve().parent.parent
PYSPARK = "pyspark==3.5.8"
PROGRAM = """
import json, sys
import mlflow, pandas as pd
from pyspark.sql import SparkSession
from pyspark.sql.functions import struct
uri, rows = sys.argv[1], json.load(open(sys.argv[2]))
spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
frame = spark.createDataFrame([tuple(row.values()) for row in rows], "age double, city string, since string")
udf = mlflow.pyfunc.spark_udf(spark, uri, env_manager="local")
by_struct = frame.select(udf(struct(*frame.columns)).alias("answer")).toPandas()["answer"]
by_names = frame.withColumn("answer", udf(*frame.columns)).select("answer").toPandas()["answer"]
print(json.dumps([[row.asDict() for row in by_struct], [row.asDict() for row in by_names]]))
"""

pytestmark = [
    pytest.mark.spark,
    pytest.mark.skipif(shutil.which("java") is None, reason="Spark needs Java, which is not installed"),
    pytest.mark.skipif(shutil.which("uv") is None, reason="uv, which makes the environment, is not installed"),
]


@pytest.fixture(scope="module")
def spark_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Python of an environment with the lock and pyspark."""
    home = tmp_path_factory.mktemp("spark") / "environment"
    environment = {**os.environ, "VIRTUAL_ENV": str(home)}
    for command in (
        ["uv", "venv", "--quiet", "--python", sys.executable, str(home)],
        ["uv", "pip", "install", "--quiet", "-r", str(ROOT / "requirements.txt")],
        ["uv", "pip", "install", "--quiet", PYSPARK],
    ):
        subprocess.run(command, env=environment, check=True)
    return home / "bin" / "python"


def test_spark_answers_as_python_does(spark_python, store, tmp_path):
    """Named columns and a struct reach the schema untouched, and the answers are identical."""
    uri = f"models:/crisol/{register('crisol')}"
    frame = pd.DataFrame([ROW, {**ROW, "age": 25.5, "city": "Unseen"}, {**ROW, "age": None, "since": None}])
    rows = tmp_path / "rows.json"
    rows.write_text(frame.to_json(orient="records"))
    environment = {**store.environment, "PYSPARK_PYTHON": str(spark_python)}
    command = [str(spark_python), "-W", "ignore", "-c", PROGRAM, uri, str(rows)]

    ended = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert ended.returncode == 0, ended.stderr[-2000:]
    expected = mlflow.pyfunc.load_model(uri).predict(frame)
    numbers = [name for name in expected if name != "prediction"]
    for answers in json.loads(ended.stdout.strip().splitlines()[-1]):
        got = pd.DataFrame(answers)
        assert got["prediction"].tolist() == expected["prediction"].tolist()
        assert np.array_equal(got[numbers].to_numpy(), expected[numbers].to_numpy())
