"""Storage buckets by the real boto3: what is put is got, listed, deleted; whose it is; what is refused."""

import hashlib
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from mock_server import create_app
from mock_server.base.settings import Settings, SettingsError
from mock_server.domains.buckets import service
from mock_server.world import World

SHIPPED = ["about.html", "data.csv", "faq.json", "handbook.pdf", "notes.txt", "training-data.jsonl"]
ODD_KEYS = [
    "a b+c&d=e?f#g%h.txt",
    "../../etc/passwd",
    "/leading",
    "trailing/",
    "double//slash",
    "a/./b/../c",
    "snow☃man/日本語.txt",
    "emoji-🐝",
    "CON",
    'quote"<>\\|*',
    "tab\tand\nline",
    "%2e%2e%2f",
    ".",
    "x" * 1024,
]
MIB = 1024 * 1024


def s3_of(client: Any, key: str | None = None, **config: Any) -> Any:
    """A boto3 client of this test's account, made as its users make it."""
    key = key or client.key
    return boto3.client(
        "s3", endpoint_url=client.url + "/s3", aws_access_key_id=key, aws_secret_access_key="not-checked",
        region_name="us-east-1", config=Config(retries={"max_attempts": 1}, **config),
    )  # fmt: skip


@pytest.fixture
def s3(client: Any) -> Any:
    return s3_of(client)


def refused(call: Callable[..., Any], **arguments: Any) -> tuple[int, str]:
    """Status and S3 code of the error that a call answers."""
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    response = caught.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]


def keys_of(s3: Any, bucket: str, **arguments: Any) -> list[str]:
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, **arguments)
    return [item["Key"] for page in pages for item in page.get("Contents", [])]


# Objects


def test_what_is_put_is_got(s3: Any) -> None:
    s3.create_bucket(Bucket="mine")
    put = s3.put_object(
        Bucket="mine",
        Key="a/b.txt",
        Body=b"hello",
        ContentType="text/plain",
        Metadata={"colour": "red"},
        CacheControl="x",
    )

    got = s3.get_object(Bucket="mine", Key="a/b.txt")

    assert got["Body"].read() == b"hello"
    assert put["ETag"] == got["ETag"] == f'"{hashlib.md5(b"hello").hexdigest()}"'
    assert (got["ContentType"], got["Metadata"], got["CacheControl"]) == ("text/plain", {"colour": "red"}, "x")
    head = s3.head_object(Bucket="mine", Key="a/b.txt")
    assert (head["ContentLength"], head["ETag"]) == (5, put["ETag"])


@pytest.mark.parametrize("key", ODD_KEYS, ids=lambda key: repr(key)[:20])
def test_odd_keys_are_names_like_any_other(start: Any, tmp_path: Path, key: str) -> None:
    s3 = s3_of(start(data=tmp_path / "data"))
    s3.create_bucket(Bucket="odd")

    s3.put_object(Bucket="odd", Key=key, Body=key.encode())

    assert s3.get_object(Bucket="odd", Key=key)["Body"].read() == key.encode()
    assert keys_of(s3, "odd") == [key]
    outside = [path for path in tmp_path.rglob("*") if path.is_file() and not path.is_relative_to(tmp_path / "data")]
    assert outside == []
    s3.delete_objects(Bucket="odd", Delete={"Objects": [{"Key": key}]})
    assert keys_of(s3, "odd") == []


def test_a_key_of_more_than_1024_bytes_is_refused(s3: Any) -> None:
    assert refused(s3.put_object, Bucket="my-bucket", Key="é" * 513, Body=b"") == (400, "KeyTooLongError")


@pytest.mark.parametrize(
    "wanted, found, shown",
    [
        ("bytes=0-0", b"0", "bytes 0-0/10"),
        ("bytes=3-", b"3456789", "bytes 3-9/10"),
        ("bytes=-4", b"6789", "bytes 6-9/10"),
        ("bytes=8-99", b"89", "bytes 8-9/10"),
        ("bytes=-99", b"0123456789", "bytes 0-9/10"),
    ],
)
def test_a_range_of_an_object(s3: Any, wanted: str, found: bytes, shown: str) -> None:
    s3.put_object(Bucket="my-bucket", Key="digits", Body=b"0123456789")

    got = s3.get_object(Bucket="my-bucket", Key="digits", Range=wanted)

    assert (got["Body"].read(), got["ContentRange"]) == (found, shown)
    assert got["ResponseMetadata"]["HTTPStatusCode"] == 206


@pytest.mark.parametrize("unread", ["bytes=5-3", "bytes=-", "bytes=0-1,3-4", "lines=0-1", "bytes=a-b"])
def test_a_range_that_is_none_is_passed_over(s3: Any, unread: str) -> None:
    s3.put_object(Bucket="my-bucket", Key="digits", Body=b"0123456789")

    got = s3.get_object(Bucket="my-bucket", Key="digits", Range=unread)

    assert (got["Body"].read(), got["ResponseMetadata"]["HTTPStatusCode"]) == (b"0123456789", 200)


def test_a_range_beyond_the_end_is_refused(s3: Any) -> None:
    s3.put_object(Bucket="my-bucket", Key="digits", Body=b"0123456789")

    assert refused(s3.get_object, Bucket="my-bucket", Key="digits", Range="bytes=10-") == (416, "InvalidRange")


def test_conditions(s3: Any) -> None:
    etag = s3.put_object(Bucket="my-bucket", Key="k", Body=b"1")["ETag"]

    assert refused(s3.put_object, Bucket="my-bucket", Key="k", Body=b"2", IfNoneMatch="*") == (
        412,
        "PreconditionFailed",
    )
    assert refused(s3.get_object, Bucket="my-bucket", Key="k", IfMatch='"other"') == (412, "PreconditionFailed")
    assert refused(s3.get_object, Bucket="my-bucket", Key="k", IfNoneMatch=etag)[0] == 304
    assert s3.get_object(Bucket="my-bucket", Key="k", IfMatch=etag)["Body"].read() == b"1"


def test_an_object_is_replaced_only_where_it_is_the_one_that_was_meant(s3: Any) -> None:
    etag = s3.put_object(Bucket="my-bucket", Key="k", Body=b"1")["ETag"]
    put = {"Bucket": "my-bucket", "Key": "k", "Body": b"2"}

    assert refused(s3.put_object, **put, IfMatch='"other"') == (412, "PreconditionFailed")
    assert refused(s3.put_object, **{**put, "Key": "none"}, IfMatch=etag) == (404, "NoSuchKey")
    assert s3.get_object(Bucket="my-bucket", Key="k")["Body"].read() == b"1"
    s3.put_object(**put, IfMatch=etag)
    s3.put_object(**{**put, "Key": "new"}, IfNoneMatch="*")
    assert s3.get_object(Bucket="my-bucket", Key="k")["Body"].read() == b"2"
    assert s3.get_object(Bucket="my-bucket", Key="new")["Body"].read() == b"2"


def test_dates_decide_unless_tags_do(client: Any, s3: Any) -> None:
    client.admin("POST", "/clock", json={"set": "2026-03-04T05:06:07Z", "freeze": True})
    etag = s3.put_object(Bucket="my-bucket", Key="k", Body=b"1")["ETag"]

    def status(**headers: str) -> int:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        found: int = client.http.get(
            client.url + "/s3/my-bucket/k", headers={"authorization": f"Bearer {client.key}", **given}
        ).status_code
        return found

    before, at = "Wed, 04 Mar 2026 05:06:06 GMT", "Wed, 04 Mar 2026 05:06:07 GMT"
    assert [status(if_unmodified_since=date) for date in (before, at, "yesterday")] == [412, 200, 200]
    assert [status(if_modified_since=date) for date in (before, at, "yesterday")] == [200, 304, 200]
    assert status(if_unmodified_since=before, if_match=etag) == 200
    assert status(if_modified_since=at, if_none_match='"other"') == 200


@pytest.mark.parametrize("algorithm", ["CRC32", "SHA1", "SHA256"])
def test_bodies_in_aws_chunks_with_a_checksum_behind(s3: Any, algorithm: str, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"chunked " * 100_000)

    with file.open("rb") as body:
        s3.put_object(Bucket="my-bucket", Key="chunked", Body=body, ChecksumAlgorithm=algorithm)

    assert s3.get_object(Bucket="my-bucket", Key="chunked")["Body"].read() == file.read_bytes()


def test_a_chunked_body_that_is_cut_or_altered_is_refused(client: Any) -> None:
    def put(body: bytes, **headers: str) -> tuple[int, bool]:
        headers = {
            "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
            "authorization": f"Bearer {client.key}",
        } | {name.replace("_", "-"): value for name, value in headers.items()}
        answer = client.http.put(client.url + "/s3/my-bucket/cut", content=body, headers=headers)
        return answer.status_code, b"<Code>IncompleteBody</Code>" in answer.content

    assert put(b"5\r\nhello\r\n0\r\n\r\n") == (200, False)
    assert put(b"5;chunk-signature=00\r\nhello\r\n0;chunk-signature=00\r\n\r\n") == (200, False)
    assert put(b"5\r\nhello\r\n") == (400, True)
    assert put(b"6\r\nhello\r\n0\r\n\r\n") == (400, True)
    assert put(b"zz\r\nhello") == (400, True)
    assert put(b"5\r\nhello!\r\n0\r\n\r\n") == (400, True)
    assert put(b"5\nhello\n0\n\n") == (400, True)
    assert put(b"5;" + b"x" * 20_000) == (400, True)
    assert put(b"5\r\nhello\r\n0\r\n\r\n", x_amz_decoded_content_length="6") == (400, True)
    assert (
        put(b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n", x_amz_trailer="x-amz-checksum-crc32")[0] == 400
    )


def test_a_checksum_behind_the_chunks_may_lack_its_line_end(client: Any) -> None:
    def put(sum: bytes) -> httpx.Response:
        headers = {
            "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "x-amz-trailer": "x-amz-checksum-crc32",
            "content-encoding": "aws-chunked", "authorization": f"Bearer {client.key}",
        }  # fmt: skip
        body = b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:" + sum
        found: httpx.Response = client.http.put(client.url + "/s3/my-bucket/k", content=body, headers=headers)
        return found

    assert b"<Code>BadDigest</Code>" in put(b"AAAAAA==").content
    assert put(b"NhCmhg==").status_code == 200
    got = client.http.get(client.url + "/s3/my-bucket/k", headers={"authorization": f"Bearer {client.key}"})
    assert got.content == b"hello" and "content-encoding" not in got.headers, "the chunks were the wire's, not its own"


def test_a_body_that_is_not_what_content_md5_says_is_refused(s3: Any) -> None:
    wrong = {"Bucket": "my-bucket", "Key": "k", "Body": b"x", "ContentMD5": "AAAAAAAAAAAAAAAAAAAAAA=="}

    assert refused(s3.put_object, **wrong) == (400, "BadDigest")
    assert "k" not in keys_of(s3, "my-bucket")


def test_an_object_over_the_limit_is_refused_and_leaves_nothing(start: Any, tmp_path: Path) -> None:
    s3 = s3_of(start(data=tmp_path, max_object_bytes=1000))

    assert refused(s3.put_object, Bucket="my-bucket", Key="k", Body=b"x" * 1001) == (413, "EntityTooLarge")

    assert "k" not in keys_of(s3, "my-bucket")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_chunks_that_announce_more_than_the_limit_are_refused_before_they_come(start: Any) -> None:
    client = start(max_object_bytes=1000)
    headers = {
        "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "x-amz-decoded-content-length": "1001",
        "authorization": f"Bearer {client.key}",
    }  # fmt: skip

    answer = client.http.put(client.url + "/s3/my-bucket/k", content=b"0\r\n\r\n", headers=headers)

    assert answer.status_code == 413 and b"The object has 1001 bytes; the limit is 1000." in answer.content


@contextmanager
def sending(client: Any, path: str, body: bytes, more: int) -> Iterator[socket.socket]:
    """A PUT whose body has begun, once the server asks for it; `more` bytes of it are still to come."""
    host, port = client.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as wire:
        wire.sendall(f"PUT {path} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {client.key}\r\n"
                     f"expect: 100-continue\r\ncontent-length: {len(body) + more}\r\n\r\n".encode())  # fmt: skip
        assert wire.recv(1000).startswith(b"HTTP/1.1 100 ")
        wire.sendall(body)
        yield wire


def test_of_a_client_that_leaves_within_an_object_nothing_is_kept(start: Any, tmp_path: Path) -> None:
    client = start(data=tmp_path)
    s3 = s3_of(client)
    with sending(client, "/s3/my-bucket/cut", b"half", 4):
        assert [path.suffix for path in tmp_path.rglob("*") if path.is_file()] == [".part"]

    s3.put_object(Bucket="my-bucket", Key="whole", Body=b"whole")
    assert refused(s3.get_object, Bucket="my-bucket", Key="cut") == (404, "NoSuchKey")
    ended = {row["path"]: row["ended"] for row in client.journal(operation="s3.put_object")}
    assert ended == {"/s3/my-bucket/cut": "client_left", "/s3/my-bucket/whole": "complete"}
    assert [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()] == [b"whole"]


def test_an_object_whose_bucket_goes_while_it_comes_is_refused(start: Any, tmp_path: Path) -> None:
    client = start(data=tmp_path)
    s3 = s3_of(client)
    s3.create_bucket(Bucket="mine")
    with sending(client, "/s3/mine/late", b"half", 4) as wire:
        s3.delete_bucket(Bucket="mine")
        wire.sendall(b"done")
        answer = wire.recv(10_000)

    assert answer.startswith(b"HTTP/1.1 404 ") and b"NoSuchBucket" in answer
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_an_upload_over_the_json_and_form_limits_is_taken(start: Any) -> None:
    s3 = s3_of(start(max_json_bytes=1000, max_upload_bytes=1000))

    s3.put_object(Bucket="my-bucket", Key="k", Body=b"x" * 5000)

    assert s3.head_object(Bucket="my-bucket", Key="k")["ContentLength"] == 5000


# Buckets


def test_the_life_of_a_bucket(s3: Any) -> None:
    s3.create_bucket(Bucket="short-lived", CreateBucketConfiguration={"LocationConstraint": "us-central-1"})
    s3.create_bucket(Bucket="short-lived")
    s3.head_bucket(Bucket="short-lived")
    assert s3.get_bucket_location(Bucket="short-lived")["LocationConstraint"] == "us-central-1"
    assert [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]] == ["my-bucket", "short-lived"]
    s3.put_object(Bucket="short-lived", Key="k", Body=b"")

    assert refused(s3.delete_bucket, Bucket="short-lived") == (409, "BucketNotEmpty")
    s3.delete_object(Bucket="short-lived", Key="k")
    s3.delete_bucket(Bucket="short-lived")

    assert refused(s3.head_bucket, Bucket="short-lived") == (404, "404")
    assert [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]] == ["my-bucket"]


def test_what_is_not_there(s3: Any) -> None:
    assert refused(s3.get_object, Bucket="my-bucket", Key="none") == (404, "NoSuchKey")
    assert refused(s3.head_object, Bucket="my-bucket", Key="none") == (404, "404")
    for call in (s3.list_objects, s3.list_objects_v2, s3.delete_bucket, s3.get_bucket_location):
        assert refused(call, Bucket="none") == (404, "NoSuchBucket")
    for call in (s3.get_object, s3.delete_object, s3.put_object, s3.create_multipart_upload):
        assert refused(call, Bucket="none", Key="k") == (404, "NoSuchBucket")
    s3.delete_object(Bucket="my-bucket", Key="none")


def test_names_that_no_bucket_may_have(client: Any) -> None:
    for name in ("ab", "Capital", "-dash", "a..b", "x" * 64, "under_score", "..", "%2e%2e%2fetc"):
        answer = client.http.put(f"{client.url}/s3/{name}", headers={"authorization": f"Bearer {client.key}"})
        assert answer.status_code in (400, 404, 405), name


def test_a_hundred_buckets_and_no_more(s3: Any) -> None:
    for n in range(99):
        s3.create_bucket(Bucket=f"bucket-{n}")

    assert refused(s3.create_bucket, Bucket="one-too-many") == (400, "TooManyBuckets")


# Lists


@pytest.mark.check
def test_ten_thousand_objects_in_pages(start: Any, tmp_path: Path) -> None:
    keys = sorted(f"{n % 100:02}/{n:05}" for n in range(10_000))
    settings = {"db": tmp_path / "state.sqlite", "data": tmp_path / "data"}
    put_rows(create_app(Settings(**settings)).world, "large", keys)
    s3 = s3_of(start("large-key", **settings))

    assert keys_of(s3, "large") == keys
    assert keys_of(s3, "large", Prefix="07/") == [key for key in keys if key.startswith("07/")]
    pages = list(s3.get_paginator("list_objects_v2").paginate(Bucket="large", Delimiter="/", MaxKeys=30))
    assert [page["KeyCount"] for page in pages] == [30, 30, 30, 10]
    assert [fold["Prefix"] for page in pages for fold in page["CommonPrefixes"]] == [f"{n:02}/" for n in range(100)]


def put_rows(world: World, bucket: str, keys: list[str]) -> None:
    """Empty objects of the account of `large-key`, in one transaction."""
    account = world.accounts.of_key(b"large-key")
    service.create_bucket(world, account, bucket)
    with world.store.transaction() as transaction:
        for key in keys:
            service.put_row(world, account, transaction, bucket, key, [], "0" * 32, {})
    world.store.close()


@pytest.mark.parametrize("operation", ["list_objects", "list_objects_v2"])
@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_pages_with_a_delimiter_lose_and_repeat_nothing(s3: Any, operation: str, size: int) -> None:
    s3.create_bucket(Bucket="folders")
    for key in ("a", "b/1", "b/2", "b/c/3", "b0", "d/1", "e"):
        s3.put_object(Bucket="folders", Key=key, Body=b"")

    pages = list(
        s3.get_paginator(operation).paginate(Bucket="folders", Delimiter="/", PaginationConfig={"PageSize": size})
    )

    assert [item["Key"] for page in pages for item in page.get("Contents", [])] == ["a", "b0", "e"]
    assert [fold["Prefix"] for page in pages for fold in page.get("CommonPrefixes", [])] == ["b/", "d/"]


def test_list_from_a_key_on(s3: Any) -> None:
    assert keys_of(s3, "my-bucket", StartAfter="data.csv") == SHIPPED[2:]
    marked = s3.list_objects(Bucket="my-bucket", Marker="data.csv", MaxKeys=2)
    assert [item["Key"] for item in marked["Contents"]] == SHIPPED[2:4] and marked["IsTruncated"]
    assert s3.list_objects_v2(Bucket="my-bucket", MaxKeys=0)["KeyCount"] == 0


# Uploads in parts


def test_an_upload_in_parts(s3: Any) -> None:
    parts = [b"a" * 5 * MIB, b"b" * 5 * MIB, b"end"]
    upload = {"Bucket": "my-bucket", "Key": "large.bin"}
    upload["UploadId"] = s3.create_multipart_upload(**upload, ContentType="x/y")["UploadId"]
    put = [
        {"PartNumber": n, "ETag": s3.upload_part(**upload, PartNumber=n, Body=part)["ETag"]}
        for n, part in enumerate(parts, 1)
    ]
    assert [part["Size"] for part in s3.list_parts(**upload)["Parts"]] == [5 * MIB, 5 * MIB, 3]
    assert [found["Key"] for found in s3.list_multipart_uploads(Bucket="my-bucket")["Uploads"]] == ["large.bin"]

    done = s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": put})

    digest = hashlib.md5(b"".join(hashlib.md5(part).digest() for part in parts)).hexdigest()
    assert done["ETag"] == f'"{digest}-3"'
    got = s3.get_object(Bucket="my-bucket", Key="large.bin")
    assert got["Body"].read() == b"".join(parts) and got["ContentType"] == "x/y"
    middle = s3.get_object(Bucket="my-bucket", Key="large.bin", Range=f"bytes={5 * MIB - 2}-{10 * MIB + 1}")
    assert middle["Body"].read() == b"aa" + parts[1] + b"en"
    assert refused(s3.list_parts, **upload) == (404, "NoSuchUpload")


def test_upload_file_goes_in_parts_by_itself(s3: Any, tmp_path: Path) -> None:
    file = tmp_path / "large"
    file.write_bytes(bytes(range(256)) * 4096 * 20)

    s3.upload_file(str(file), "my-bucket", "uploaded")
    s3.download_file("my-bucket", "uploaded", str(tmp_path / "back"))

    assert (tmp_path / "back").read_bytes() == file.read_bytes()
    assert s3.head_object(Bucket="my-bucket", Key="uploaded")["ETag"].endswith('-3"')


def test_what_completing_an_upload_refuses(s3: Any) -> None:
    upload = {"Bucket": "my-bucket", "Key": "k"}
    upload["UploadId"] = s3.create_multipart_upload(**upload)["UploadId"]
    tags = [s3.upload_part(**upload, PartNumber=n, Body=b"small")["ETag"] for n in (1, 2)]

    def complete(*parts: tuple[int, str]) -> tuple[int, str]:
        wanted = {"Parts": [{"PartNumber": n, "ETag": tag} for n, tag in parts]}
        return refused(s3.complete_multipart_upload, **upload, MultipartUpload=wanted)

    assert complete((1, tags[0]), (2, tags[1])) == (400, "EntityTooSmall")
    assert complete((2, tags[1]), (1, tags[0])) == (400, "InvalidPartOrder")
    assert complete((1, tags[0]), (3, tags[1])) == (400, "InvalidPart")
    assert complete((1, '"other"')) == (400, "InvalidPart")
    assert complete() == (400, "MalformedXML")
    assert refused(s3.upload_part, **upload, PartNumber=10_001, Body=b"") == (400, "InvalidArgument")


def test_a_part_that_is_put_again_takes_the_place_of_the_first(start: Any, tmp_path: Path) -> None:
    s3 = s3_of(start(data=tmp_path))
    upload = {"Bucket": "my-bucket", "Key": "k"}
    upload["UploadId"] = s3.create_multipart_upload(**upload)["UploadId"]
    first, second = (s3.upload_part(**upload, PartNumber=1, Body=body)["ETag"] for body in (b"first", b"second"))

    assert [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()] == [b"second"]
    stale = {"Parts": [{"PartNumber": 1, "ETag": first}]}
    assert refused(s3.complete_multipart_upload, **upload, MultipartUpload=stale) == (400, "InvalidPart")
    s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": second}]})
    assert s3.get_object(Bucket="my-bucket", Key="k")["Body"].read() == b"second"


def test_a_bucket_takes_its_open_uploads_with_it(start: Any, tmp_path: Path) -> None:
    s3 = s3_of(start(data=tmp_path))
    s3.create_bucket(Bucket="mine")
    upload = {"Bucket": "mine", "Key": "k"}
    upload["UploadId"] = s3.create_multipart_upload(**upload)["UploadId"]
    s3.upload_part(**upload, PartNumber=1, Body=b"x")

    s3.delete_bucket(Bucket="mine")

    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    s3.create_bucket(Bucket="mine")
    assert "Uploads" not in s3.list_multipart_uploads(Bucket="mine")
    assert refused(s3.list_parts, **upload) == (404, "NoSuchUpload")


def test_an_aborted_upload_is_gone_with_its_bytes(start: Any, tmp_path: Path) -> None:
    s3 = s3_of(start(data=tmp_path))
    upload = {"Bucket": "my-bucket", "Key": "k"}
    upload["UploadId"] = s3.create_multipart_upload(**upload)["UploadId"]
    s3.upload_part(**upload, PartNumber=1, Body=b"x")

    s3.abort_multipart_upload(**upload)

    assert refused(s3.upload_part, **upload, PartNumber=1, Body=b"x") == (404, "NoSuchUpload")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


# Whose it is


def test_what_an_account_puts_or_deletes_only_that_account_sees(client: Any, s3: Any) -> None:
    other = s3_of(client, client.key + "-other")
    s3.put_object(Bucket="my-bucket", Key="secret", Body=b"mine")
    s3.put_object(Bucket="my-bucket", Key="notes.txt", Body=b"changed")
    s3.delete_object(Bucket="my-bucket", Key="data.csv")
    s3.create_bucket(Bucket="own")

    assert keys_of(s3, "my-bucket") == [
        "about.html",
        "faq.json",
        "handbook.pdf",
        "notes.txt",
        "secret",
        "training-data.jsonl",
    ]
    assert s3.get_object(Bucket="my-bucket", Key="notes.txt")["Body"].read() == b"changed"
    assert refused(s3.get_object, Bucket="my-bucket", Key="data.csv") == (404, "NoSuchKey")
    assert keys_of(other, "my-bucket") == SHIPPED
    assert other.get_object(Bucket="my-bucket", Key="notes.txt")["Body"].read().startswith(b"Notes of")
    assert refused(other.get_object, Bucket="own", Key="k") == (404, "NoSuchBucket")


def test_a_shipped_bucket_that_was_deleted_comes_back_empty(client: Any, s3: Any) -> None:
    s3.delete_objects(Bucket="my-bucket", Delete={"Objects": [{"Key": key} for key in SHIPPED]})
    s3.delete_bucket(Bucket="my-bucket")
    assert s3.list_buckets()["Buckets"] == []
    assert refused(s3.get_object, Bucket="my-bucket", Key=SHIPPED[0]) == (404, "NoSuchBucket")
    assert refused(s3.delete_object, Bucket="my-bucket", Key="k") == (404, "NoSuchBucket")

    s3.create_bucket(Bucket="my-bucket")

    assert keys_of(s3, "my-bucket") == []
    client.admin("POST", "/reset")
    assert keys_of(s3, "my-bucket") == SHIPPED


def test_reset_takes_bytes_and_rows(start: Any, tmp_path: Path) -> None:
    client = start(data=tmp_path)
    s3 = s3_of(client)
    s3.put_object(Bucket="my-bucket", Key="k", Body=b"x")

    client.admin("POST", "/reset")

    assert keys_of(s3, "my-bucket") == SHIPPED
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_folder_of_buckets(start: Any, tmp_path: Path) -> None:
    (tmp_path / "buckets/docs/deep").mkdir(parents=True)
    (tmp_path / "buckets/docs/a.txt").write_text("one")
    (tmp_path / "buckets/docs/deep/b.txt").write_text("two")
    (tmp_path / "buckets/docs/.hidden").write_text("no")
    (tmp_path / "secret").write_text("outside")
    (tmp_path / "buckets/docs/link").symlink_to(tmp_path / "secret")
    (tmp_path / "buckets/docs/inner").symlink_to(tmp_path / "buckets/docs/a.txt")
    (tmp_path / "buckets/outside").symlink_to(tmp_path)
    s3 = s3_of(start(buckets=(tmp_path / "buckets",)))

    assert [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]] == ["docs", "my-bucket"]
    assert keys_of(s3, "docs") == ["a.txt", "deep/b.txt", "inner"]
    assert refused(s3.get_object, Bucket="docs", Key="link") == (404, "NoSuchKey")
    assert refused(s3.get_object, Bucket="docs", Key="../secret") == (404, "NoSuchKey")
    (tmp_path / "buckets/docs/new.txt").write_text("new")
    assert s3.get_object(Bucket="docs", Key="new.txt")["Body"].read() == b"new"
    s3.put_object(Bucket="docs", Key="a.txt", Body=b"over")
    assert (tmp_path / "buckets/docs/a.txt").read_text() == "one"


def test_a_folder_of_buckets_is_as_it_is_now(start: Any, tmp_path: Path) -> None:
    folder = tmp_path / "buckets/docs"
    folder.mkdir(parents=True)
    (folder / "a.txt").write_text("one")
    os.mkfifo(folder / "pipe")
    s3 = s3_of(start(buckets=(tmp_path / "buckets",)))
    before = s3.head_object(Bucket="docs", Key="a.txt")

    (folder / "a.txt").write_text("another")
    (folder / "b.txt").write_text("new")

    after = s3.get_object(Bucket="docs", Key="a.txt")
    assert after["Body"].read() == b"another" and after["ContentLength"] == 7
    assert before["ETag"] != after["ETag"] == f'"{hashlib.md5(b"another").hexdigest()}"'
    assert keys_of(s3, "docs") == ["a.txt", "b.txt"], "and a pipe, which nobody could read to its end, is no object"
    (folder / "a.txt").unlink()
    assert refused(s3.get_object, Bucket="docs", Key="a.txt") == (404, "NoSuchKey")
    assert keys_of(s3, "docs") == ["b.txt"]


def test_of_two_folders_of_one_name_the_first_that_was_named_counts(start: Any, tmp_path: Path) -> None:
    for root in ("first", "second"):
        for name in ("docs", "my-bucket"):
            (tmp_path / root / name).mkdir(parents=True)
            (tmp_path / root / name / f"{root}.txt").write_text(root)
    s3 = s3_of(start(buckets=(tmp_path / "first", tmp_path / "second")))

    assert [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]] == ["docs", "my-bucket"]
    assert keys_of(s3, "docs") == keys_of(s3, "my-bucket") == ["first.txt"]


def test_a_folder_of_buckets_that_is_none() -> None:
    with pytest.raises(SettingsError, match="--buckets /no/such is not a folder"):
        Settings(buckets=(Path("/no/such"),))


@pytest.mark.parametrize("data", [True, False], ids=["with --data", "beside --db"])
def test_objects_survive_a_restart(start: Any, tmp_path: Path, data: bool) -> None:
    settings = {"db": tmp_path / "state.sqlite", **({"data": tmp_path / "data"} if data else {})}
    s3_of(start(**settings)).put_object(Bucket="my-bucket", Key="kept", Body=b"kept bytes")

    again = s3_of(start(**settings))

    assert again.get_object(Bucket="my-bucket", Key="kept")["Body"].read() == b"kept bytes"


def test_bytes_that_are_gone_are_no_500(start: Any, tmp_path: Path) -> None:
    s3 = s3_of(start(data=tmp_path))
    s3.put_object(Bucket="my-bucket", Key="k", Body=b"x")
    for path in tmp_path.rglob("*"):
        if path.is_file():
            path.unlink()

    assert refused(s3.get_object, Bucket="my-bucket", Key="k") == (404, "NoSuchKey")


# The chain


@pytest.mark.parametrize("key", ["plain-secret-key", "KEY+with/odd=characters secret"])
def test_the_key_in_a_signature_is_the_account_and_is_masked(client: Any, key: str) -> None:
    s3 = s3_of(client, key)
    s3.put_object(Bucket="my-bucket", Key="signed", Body=b"x")
    presigned = s3.generate_presigned_url("get_object", Params={"Bucket": "my-bucket", "Key": "signed"})
    assert client.http.get(presigned).content == b"x"
    bearer = {"authorization": f"Bearer {key}"}
    assert client.http.get(client.url + "/s3/my-bucket/signed", headers=bearer).content == b"x"

    shown = client.http.get(client.url + "/_mock/requests", headers=bearer)

    assert [entry["operation"] for entry in shown.json()["data"]] == ["s3.get_object", "s3.get_object", "s3.put_object"]
    assert "secret" not in shown.text.replace("secret-key-of", "")


def test_without_a_key(client: Any) -> None:
    answer = client.http.get(client.url + "/s3/my-bucket")

    assert answer.status_code == 401 and answer.headers["content-type"] == "application/xml"
    assert b"<Code>InvalidAccessKeyId</Code>" in answer.content


def test_a_signature_opens_nothing_but_storage(client: Any) -> None:
    signature = {
        "authorization": f"AWS4-HMAC-SHA256 Credential={client.key}/20260101/us-east-1/s3/aws4_request, Signature=0"
    }

    assert client.http.get(client.v2 + "/ai/models", headers=signature).status_code == 401


def test_faults_come_in_xml(client: Any, s3: Any) -> None:
    client.admin("POST", "/faults", json={"match": {"operation": "s3.get_object"}, "effect": "503"}).raise_for_status()

    assert refused(s3.get_object, Bucket="my-bucket", Key="data.csv") == (503, "ServiceUnavailable")
    assert keys_of(s3, "my-bucket") == SHIPPED


def test_what_is_not_emulated_says_so(s3: Any) -> None:
    copy = {"Bucket": "my-bucket", "Key": "copy", "CopySource": "my-bucket/data.csv"}

    assert refused(s3.copy_object, **copy) == (501, "NotImplemented")
    assert refused(s3.get_bucket_acl, Bucket="my-bucket") == (501, "NotImplemented")
    assert refused(s3.put_bucket_versioning, Bucket="my-bucket", VersioningConfiguration={}) == (501, "NotImplemented")


@pytest.mark.parametrize(
    "method, path, status",
    [
        ("GET", "/s3", 200),
        ("GET", "/s3/", 200),
        ("GET", "/s3/my-bucket/", 200),
        ("PATCH", "/s3/my-bucket", 405),
        ("GET", "/s3/my-bucket/%ff", 400),
        ("GET", "/s3/my-bucket/a%00b", 400),
        ("GET", "/s3/my-bucket?prefix=%ff", 400),
        ("GET", "/s3/my-bucket?max-keys=-1", 400),
        ("GET", "/s3/my-bucket?list-type=2&continuation-token=!", 400),
        ("GET", "/s3/my-bucket?encoding-type=x", 400),
        ("POST", "/s3/my-bucket?delete", 400),
        ("POST", "/s3/my-bucket", 501),
        ("POST", "/s3/my-bucket/k", 501),
        ("PUT", "/s3/my-bucket/k?uploadId=no&partNumber=1", 404),
        ("PUT", "/s3/my-bucket/k?uploadId=no&partNumber=x", 400),
    ],
)
def test_at_the_wire(client: Any, method: str, path: str, status: int) -> None:
    answer = client.http.request(method, client.url + path, headers={"authorization": f"Bearer {client.key}"})

    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/xml")


def test_documents_with_declarations_are_refused(client: Any) -> None:
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaa">]><Delete><Object><Key>&a;</Key></Object></Delete>'

    answer = client.http.post(
        client.url + "/s3/my-bucket?delete", content=bomb, headers={"authorization": f"Bearer {client.key}"}
    )

    assert answer.status_code == 400 and b"MalformedXML" in answer.content


@pytest.mark.parametrize(
    "body",
    [
        b"<Remove><Object><Key>a</Key></Object></Remove>",
        b"<Delete><Object><Key></Key></Object></Delete>",
        b"<Delete><Object/></Delete>",
        b"<Delete></Delete>",
        b"<Delete>",
        b"<Delete>" + b"<Object><Key>a</Key></Object>" * 1001 + b"</Delete>",
    ],
    ids=["another root", "an empty key", "no key", "no object", "no end", "1001 keys"],
)
def test_documents_that_ask_for_nothing_that_can_be_done_are_refused(client: Any, s3: Any, body: bytes) -> None:
    s3.put_object(Bucket="my-bucket", Key="a", Body=b"x")

    answer = client.http.post(
        client.url + "/s3/my-bucket?delete", content=body, headers={"authorization": f"Bearer {client.key}"}
    )

    assert answer.status_code == 400 and b"<Code>MalformedXML</Code>" in answer.content
    assert "a" in keys_of(s3, "my-bucket")


def test_two_fresh_servers_list_the_shipped_bucket_alike(start: Any) -> None:
    def listed(client: Any) -> httpx.Response:
        return client.http.get(client.url + "/s3/my-bucket", headers={"authorization": f"Bearer {client.key}"})

    assert listed(start()).content == listed(start()).content
