"""Where things live. What to learn is `SearchPlan`; MLflow's own variables are used as they are."""

from __future__ import annotations

from pydantic import Field, HttpUrl, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

BYTES_PER_MIB = 1024 * 1024


class Settings(BaseSettings):
    """Read from `CRISOL_*` variables, in the click commands and the app factory only, and passed down."""

    model_config = SettingsConfigDict(env_prefix="CRISOL_", frozen=True)

    name: str = Field("crisol", min_length=1, description="The registered model that the API serves and trains for.")
    api_key: SecretStr | None = Field(None, description="Key that clients send; needed beyond loopback.")
    host: str = Field("127.0.0.1", description="Where the API listens; set by `serve`.")
    max_mib: float = Field(512, gt=0, description="Largest accepted file or body in MiB.")
    max_rows: int = Field(1_000_000, gt=0, description="Most rows in one request for predictions.")
    max_columns: int = Field(10_000, gt=0, description="Most columns in a file or request.")
    max_requests: int = Field(
        16, gt=0, description="Requests for predictions that are scored or wait at the same time."
    )
    terse_errors: bool = Field(False, description="Whether callers are told codes only; the log has the words.")
    jobs: int = Field(1, gt=0, description="Trainings that run at the same time; the others wait in order.")
    job_limit_s: float = Field(6 * 3600, gt=0, description="Longest time for one training job.")
    mlflow_url: HttpUrl | None = Field(None, description="Where people reach MLflow's own pages; the page links there.")
    poll_s: float = Field(2, gt=0, description="Seconds between two looks at the registry.")
