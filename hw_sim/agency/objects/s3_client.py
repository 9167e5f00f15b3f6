"""botocore's S3 client set up for stores that are not AWS, and its errors in this code's terms."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from hw_sim.agency.objects.ports import ObjectStoreError
from hw_sim.agency.objects.s3_data import lean_loader
from hw_sim.agency.objects.settings import S3Settings

CONNECT_S = 5.0
READ_S = 60.0
ATTEMPTS = 3
CONNECTIONS = 32
ABSENT = ("NoSuchKey", "NoSuchVersion", "404")


def client_of(settings: S3Settings) -> Any:
    """Credentials come from botocore's own chain: environment, file, role. A client is thread-safe. Raises
    ObjectStoreError when there are none or the settings cannot be used."""
    with translated("credentials"):
        session = botocore.session.Session(profile=settings.profile)
        session.register_component("data_loader", lean_loader(session.get_config_variable("data_path")))
        if session.get_credentials() is None:
            raise ObjectStoreError(
                "没有访问凭据 no credentials: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_SHARED_CREDENTIALS_FILE"
            )
        return session.create_client(
            "s3",
            endpoint_url=settings.endpoint,
            region_name=settings.region,
            verify=settings.ca,
            config=Config(
                signature_version="s3v4",
                connect_timeout=CONNECT_S,
                read_timeout=READ_S,
                retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
                max_pool_connections=CONNECTIONS,
                s3={"addressing_style": settings.style},
                # The SHA-256 is given by hand. What botocore adds by itself (CRC in chunked trailers) older engines refuse.
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )


@contextmanager
def translated(what: str) -> Iterator[None]:
    """botocore's errors as ObjectStoreError; ``code_of`` tells the S3 code."""
    try:
        yield
    except ClientError as error:
        raise ObjectStoreError(f"{what}: {code_of(error)}: {error}") from error
    except BotoCoreError as error:
        raise ObjectStoreError(f"{what}: {type(error).__name__}: {error}") from error


def code_of(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
