"""H2O: `H2OAutoML` with `max_runtime_secs`; its own default ranks by log loss while it trains, the leader by AUC."""

# ruff: noqa: D102 (`common.Peer` says what each method does)

from __future__ import annotations

import os
import tempfile

import h2o
from common import run
from h2o.automl import H2OAutoML

NUMBERS = ("int", "real")


class H2O:
    """`pip install h2o`, and Java."""

    packages = ("h2o", "pandas")

    def fit(self, train, target, given):
        port = 54321 + 2 * (os.getpid() % 500)
        where = tempfile.mkdtemp(prefix="ice")
        h2o.init(nthreads=given.threads, max_mem_size="6G", port=port, ice_root=where)
        h2o.no_progress()
        frame = h2o.H2OFrame(train)
        self.types = {name: "numeric" if kind in NUMBERS else kind for name, kind in frame.types.items()}
        del self.types[target]
        frame[target] = frame[target].asfactor()
        self.model = H2OAutoML(max_runtime_secs=given.budget, seed=given.seed, sort_metric="logloss")
        self.model.train(y=target, training_frame=frame)
        self.classes = frame[target].levels()[0]

    def probabilities(self, rows):
        # a single row would be read as other types than the file
        found = self.model.leader.predict(h2o.H2OFrame(rows, column_types=self.types)).as_data_frame(
            use_multi_thread=False
        )
        return self.classes, found.drop(columns="predict").to_numpy()

    def save(self, folder):
        # exporting a MOJO is refused by the open version; a stacked ensemble's file holds its base models too
        folder.mkdir(exist_ok=True)
        h2o.save_model(self.model.leader, str(folder), force=True)
        return folder

    def chosen(self):
        return self.model.leader.model_id


if __name__ == "__main__":
    try:
        run(H2O())
    finally:
        if h2o.cluster():
            h2o.cluster().shutdown()
