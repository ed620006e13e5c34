"""An environment of its own for each peer, with the versions that were compared.

`python -m tests.bench.quality.environments CACHE [--systems a,b]` makes those that are not there yet.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

PEERS = Path(__file__).parent / "peers"
DONE = "installed.txt"  # the whole list of versions
GBMS = ("lightgbm==4.7.0", "catboost==1.2.10")
PINNED: dict[str, tuple[str, ...]] = {
    "flaml": ("flaml[automl,catboost]==2.7.0", *GBMS, "xgboost==2.1.4", "pandas==2.3.3", "scikit-learn==1.7.2"),
    "autogluon": ("autogluon.tabular[lightgbm,catboost,xgboost]==1.6.3", *GBMS, "pandas==2.3.3"),
    "h2o": ("h2o==3.46.0.12", "pandas==2.3.3", "numpy==1.26.4"),
    "mljar": ("mljar-supervised==1.3.0", *GBMS, "xgboost==3.2.0", "pandas==2.3.3", "scikit-learn==1.7.2"),
    "pycaret": ("pycaret==3.3.2", *GBMS, "xgboost-cpu==3.2.0", "pandas==2.1.4", "scikit-learn==1.4.2", "setuptools<81"),
}


def python(cache: Path, name: str) -> Path:
    """The interpreter of a peer's environment, which is made where it is not there.

    Raises:
        subprocess.CalledProcessError: a package cannot be had.
    """
    folder = cache / "environments" / name
    interpreter = folder / "bin" / "python"
    if not (folder / DONE).exists():
        uv = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
        subprocess.run([uv, "venv", "--quiet", "--clear", "--python", "3.11", folder], check=True)
        subprocess.run([uv, "pip", "install", "--quiet", "--python", interpreter, *PINNED[name]], check=True)
        listed = subprocess.run(
            [uv, "pip", "freeze", "--quiet", "--python", interpreter], check=True, capture_output=True, text=True
        )
        (folder / DONE).write_text(listed.stdout)
    return interpreter


def main() -> None:
    """Make them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cache", type=Path)
    parser.add_argument("--systems", default=",".join(PINNED))
    given = parser.parse_args()
    for name in given.systems.split(","):
        print(name, python(given.cache, name), flush=True)


if __name__ == "__main__":
    main()
