"""Where a file stands: a path, `file://`, or a URI that MLflow can fetch."""

from __future__ import annotations

import difflib
import re
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

import mlflow.artifacts
from mlflow.exceptions import MlflowException

from pyfunc.errors import FileRefusedError, Problem, quoted
from steps import tracking
from steps.data.compression import BYTES_PER_MIB, shown, too_large
from steps.data.readers import MAX_MIB

SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")  # two letters at least: C: is a drive
REMOTE = ("runs", "models", "mlflow-artifacts", "s3", "gs", "wasbs", "abfss", "hdfs", "dbfs")
NEAR_NAMES = 3


@contextmanager
def located(location: str, where: str) -> Iterator[Path]:
    """The path of a file, as long as the block lasts; one from elsewhere is fetched for it.

    Args:
        location: a path (relative to the working directory, which is the project's under `mlflow run`), `file://`, or
            a URI such as `runs:/<id>/path` or `s3://bucket/key`.
        where: which option this is, for messages.

    Raises:
        FileRefusedError: nothing there, a folder, no permission, or a kind of URI that is not read.
    """
    if not location.strip():
        raise _refused("file_missing", "No file is given.", where, "Give a path, or a URI such as runs:/<id>/<path>.")
    scheme = SCHEME.match(location)
    if scheme is None or _exists(Path(location)):
        yield _checked(Path(location).expanduser(), where)
    elif scheme[1].lower() == "file":
        yield _checked(Path(unquote(urlsplit(location).path)), where)
    elif scheme[1].lower() in REMOTE:
        with tracking.scratch() as folder:
            yield _checked(_fetched(location, folder, where), where)
    else:
        what = f"'{shown(scheme[1])}:' is not a kind of address that files are read from."
        raise _refused("address_unknown", what, where, f"Give a path, or a URI with {', '.join(REMOTE)}.")


def fetch(location: str, where: str, max_mib: float = MAX_MIB) -> tuple[bytes, str]:
    """The bytes of a file and its name.

    Args:
        location: a path (relative to the working directory, which is the project's under `mlflow run`), `file://`, or
            a URI such as `runs:/<id>/path` or `s3://bucket/key`.
        where: which option this is, for messages.
        max_mib: largest accepted size in MiB.

    Raises:
        FileRefusedError: nothing there, a folder, no permission, too large, or a kind of URI that is not read.
    """
    with located(location, where) as path, _readable(path, where):
        if path.stat().st_size > max_mib * BYTES_PER_MIB:
            raise too_large(where, max_mib)
        return path.read_bytes(), path.name


def is_folder(location: str) -> bool:
    """Whether a location is the path of a folder of this machine."""
    try:
        return bool(location.strip()) and Path(location).expanduser().is_dir()
    except (OSError, ValueError, RuntimeError):  # nothing that could be a path
        return False


def _checked(path: Path, where: str) -> Path:
    """A file of this machine that can be read."""
    with _readable(path, where):
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            what = f"'{path}' is a folder."
            raise _refused("file_is_folder", what, where, "Give the path of one file.")
        if not stat.S_ISREG(status.st_mode):  # reading a pipe or a device might never end
            raise _refused("file_special", f"'{path}' is not a file.", where, "Give the path of a file.")
        path.open("rb").close()
        return path


@contextmanager
def _readable(path: Path, where: str) -> Iterator[None]:
    """Turn what the system says of a file into a refusal."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError) as error:
        raise _refused("file_missing", f"There is no file '{path}'.", where, _nearest(path)) from error
    except PermissionError as error:
        what = f"'{path}' may not be read."
        raise _refused("file_forbidden", what, where, "Give the program the right to read it.") from error
    except (OSError, ValueError) as error:  # a name too long, a null in it, a disk that fails
        what = f"'{shown(str(path))}' cannot be read ({type(error).__name__})."
        raise _refused("file_missing", what, where, "Give the path of a file.") from error


def _fetched(uri: str, folder: Path, where: str) -> Path:
    """A file that MLflow fetches into a folder."""
    try:
        path = Path(mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=str(folder)))
    except _transport_faults() as error:
        what = f"'{uri}' cannot be fetched ({type(error).__name__})."
        fix = "Check the run id, the path and the access to the store."
        raise _refused("file_missing", what, where, fix) from error
    if not path.exists():
        raise _refused("file_missing", f"There is nothing at '{uri}'.", where, "Check the run id and the path.")
    return path


def _transport_faults() -> tuple[type[BaseException], ...]:
    """What fetching may raise; S3's errors are a family of their own, and its library may be absent."""
    faults: list[type[BaseException]] = [MlflowException, OSError, ImportError, ValueError]
    s3 = sys.modules.get("botocore.exceptions")
    if s3 is not None:
        faults += [s3.BotoCoreError, s3.ClientError]
    return tuple(faults)


def _exists(path: Path) -> bool:
    """Whether a path names something; false for what cannot be a path."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def _nearest(path: Path) -> str:
    """Names in the same folder that look like the wanted one."""
    try:
        names = sorted(entry.name for entry in path.parent.iterdir() if entry.is_file())
    except OSError:
        return f"There is no folder '{path.parent}' either; paths start at '{Path.cwd()}'."
    near = difflib.get_close_matches(path.name, names, n=NEAR_NAMES, cutoff=0.5)
    if near:
        return f"Did you mean {quoted(near)}?"
    return f"Paths start at '{Path.cwd()}'."


def _refused(code: str, what: str, where: str, fix: str) -> FileRefusedError:
    """One problem as a refusal."""
    return FileRefusedError(Problem(code, what, where, fix))
