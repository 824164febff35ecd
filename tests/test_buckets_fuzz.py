"""Storage under any request: S3 is not in the OpenAPI document, so its paths, queries, headers and bodies are drawn here."""

from typing import Any
from urllib.parse import quote

import pytest
from conftest import Client
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

BUCKETS = st.sampled_from(["my-bucket", "none", "fuzz-made", "%2e%2e", "%ff", "a%00b", ""])
TEXT = st.text(max_size=12)
KEYS = st.one_of(
    st.sampled_from(["", "data.csv", "..%2fdata.csv", "%2e%2e/%2e%2e/etc/passwd", "a//b", "k"]),
    TEXT.map(lambda text: quote(text.encode("utf-8", "replace"), safe="/")),
)
NAMES = [
    "acl", "continuation-token", "delete", "delimiter", "encoding-type", "fetch-owner", "list-type", "location", "marker",
    "max-keys", "max-parts", "part-number-marker", "partNumber", "prefix", "response-content-type", "start-after", "tagging",
    "uploadId", "uploads", "versionId", "x-id",
]  # fmt: skip
VALUES = st.one_of(st.sampled_from(["", "0", "1", "2", "-1", "url", "true", "x" * 1025, "9" * 30, "%ff", "/"]), TEXT)
QUERIES = st.lists(st.tuples(st.sampled_from(NAMES), VALUES), max_size=3)
HEADERS = st.dictionaries(
    st.sampled_from([
        "content-encoding", "content-md5", "content-type", "if-match", "if-modified-since", "if-none-match", "range",
        "x-amz-checksum-crc32", "x-amz-content-sha256", "x-amz-copy-source", "x-amz-decoded-content-length", "x-amz-meta-a",
        "x-amz-trailer",
    ]),
    st.sampled_from([
        "*", '"a"', "-1", "0", "9" * 30, "aws-chunked", "bytes=-1", "bytes=5-1", "bytes=0-", "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "Sat, 29 Feb 2025 99:00:00 GMT", "x-amz-checksum-crc32", "\xff",
    ]),
    max_size=3,
)  # fmt: skip
BODIES = st.one_of(
    st.sampled_from([
        b"", b"<Delete/>", b"<Delete><Object><Key>k</Key></Object></Delete>", b"<Delete><Object/></Delete>", b"5\r\nhello\r\n0\r\n\r\n",
        b"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber></Part></CompleteMultipartUpload>", b"<a>" * 2000,
        b'<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>', b"\xff\xfe<", b'<?xml version="1.0" encoding="utf-99"?><Delete/>',
    ]),
    st.binary(max_size=40),
)  # fmt: skip


@pytest.mark.check
@settings(max_examples=1500, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@example(method="POST", bucket="my-bucket", key="", query=[("delete", "")], headers={}, body=b"<Delete>" * 50_000)
@given(
    method=st.sampled_from(["GET", "HEAD", "PUT", "POST", "DELETE"]),
    bucket=BUCKETS, key=KEYS, query=QUERIES, headers=HEADERS, body=BODIES,
)  # fmt: skip
def test_no_request_finds_a_500_or_anything_but_xml(client: Client, method: str, **drawn: Any) -> None:
    query = "&".join(f"{name}={quote(value.encode('utf-8', 'replace'), safe='%')}" for name, value in drawn["query"])
    url = f"{client.url}/s3/{drawn['bucket']}/{drawn['key']}" + (f"?{query}" if query else "")
    headers = {name: value.encode("latin-1") for name, value in drawn["headers"].items()}

    answer = client.http.request(
        method, url, content=drawn["body"], headers={**headers, "authorization": f"Bearer {client.key}"}
    )

    assert answer.status_code < 500 or answer.status_code == 501, answer.text
    if answer.is_error and method != "HEAD" and answer.status_code != 304:
        assert answer.content.startswith(b'<?xml version="1.0" encoding="UTF-8"?>\n<Error>'), answer.text
    assert b"root:" not in answer.content
