"""``--objects URL``: every form, and every mistake with a message that names the part."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw_sim.agency.objects.settings import FolderSettings, S3Settings, SettingsError, parse_objects


@pytest.mark.parametrize(
    ("url", "settings"),
    [
        ("folder:", FolderSettings()),
        ("folder:/srv/worm", FolderSettings("/srv/worm")),
        ("folder:/srv/a%20b?lock=immutable", FolderSettings("/srv/a b", True)),
        ("folder:?lock=none", FolderSettings()),
        ("s3+http://127.0.0.1:8333/evidence", S3Settings("http://127.0.0.1:8333", "evidence")),
        (
            "s3+https://s3.cn-north-1.amazonaws.com.cn/evidence/hebei/shijiazhuang?region=cn-north-1&style=virtual&profile=p",
            S3Settings(
                "https://s3.cn-north-1.amazonaws.com.cn",
                "evidence",
                "hebei/shijiazhuang/",
                "cn-north-1",
                "virtual",
                None,
                "p",
            ),
        ),
        ("s3+https://rgw:443/evidence/?ca=/etc/ca.pem", S3Settings("https://rgw:443", "evidence", ca="/etc/ca.pem")),
    ],
)
def test_what_a_url_means(url: str, settings: FolderSettings | S3Settings) -> None:
    assert parse_objects(url) == settings


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("", "folder:"),
        ("/srv/worm", "folder:"),
        ("s3://bucket", "s3+https://"),
        ("folder:relative", "absolute"),
        ("folder://host/x", "absolute"),
        ("folder:?lock=compliance", "lock=compliance"),
        ("folder:?region=x", "region"),
        ("folder:#x", "#x"),
        ("s3+http:///bucket", "host"),
        ("s3+http://host", "bucket"),
        ("s3+http://host/UPPER", "UPPER"),
        ("s3+http://host/bucket/../x", "../x"),
        ("s3+http://host/bucket/a//b", "a//b"),
        ("s3+http://host/bucket?style=dns", "style=dns"),
        ("s3+http://host/bucket?colour=red", "colour"),
        ("s3+http://host/bucket?region=a&region=b", "region"),
        ("s3+http://host/bucket?region=", "region"),
        ("s3+http://host/bucket?region", "region"),
        ("s3+http://host/bucket?ca=/x", "ca="),
    ],
)
def test_a_mistake_is_named(url: str, named: str) -> None:
    with pytest.raises(SettingsError) as error:
        parse_objects(url)
    assert named in str(error.value)


def test_credentials_in_the_url_are_refused_and_not_repeated() -> None:
    with pytest.raises(SettingsError) as error:
        parse_objects("s3+https://key:topsecret@host/bucket")
    assert "AWS_ACCESS_KEY_ID" in str(error.value)
    assert "topsecret" not in str(error.value)


@given(st.text(max_size=60))
def test_any_text_is_settings_or_a_settings_error(text: str) -> None:
    for url in (text, f"folder:{text}", f"s3+http://{text}", f"s3+http://host/bucket?{text}"):
        try:
            parse_objects(url)
        except SettingsError:
            continue
