"""S3 under /s3, path style. Which operation it is, the query says. The key is the access key id; signatures are not checked."""

from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from mock_server.base.errors import NotEmulated
from mock_server.domains.buckets import listing, objects, service, uploads, wire
from mock_server.domains.buckets.errors import MalformedXML, NoSuchBucket
from mock_server.engine.answers import XML, Ready
from mock_server.engine.route import LeanRoute
from mock_server.world import Call, CallDep

REGION = "us-central-1"
MOST_DELETED = 1000
# Sub-resources and headers of S3 that ask for what is not here.
NOT_HERE = frozenset(
    {
        "accelerate", "acl", "analytics", "attributes", "cors", "encryption", "intelligent-tiering", "inventory",
        "legal-hold", "lifecycle", "logging", "metadataTable", "metrics", "notification", "object-lock",
        "ownershipControls", "policy", "policyStatus", "publicAccessBlock", "replication", "requestPayment", "restore",
        "retention", "select", "select-type", "tagging", "torrent", "versionId", "versioning", "versions", "website",
    }
)  # fmt: skip
router = APIRouter(route_class=LeanRoute, include_in_schema=False)


def asked(call: Call, *known: str) -> dict[str, str]:
    """The query, where it asks for nothing but these sub-resources and parameters. Raises NotEmulated."""
    query = objects.query_of(call)
    beyond = (NOT_HERE - set(known)) & set(query)
    if beyond:
        raise NotEmulated(
            f"A header or query you provided implies functionality that is not implemented: {min(beyond)}."
        )
    return query


@router.get("/s3", operation_id="s3.list_buckets")
async def list_buckets(call: CallDep) -> Response:
    """ListBuckets."""
    asked(call)
    found = service.buckets(call.world, call.account)
    return wire.answer(
        "ListAllMyBucketsResult",
        [
            ("Owner", [("ID", call.account.id), ("DisplayName", call.account.id)]),
            ("Buckets", [("Bucket", [("Name", name), ("CreationDate", wire.xml_date(at))]) for name, at in found]),
        ],
    )


@router.put("/s3/{bucket}", operation_id="s3.put_bucket")
async def put_bucket(call: CallDep, bucket: str) -> Response:
    """CreateBucket. One that the account sees already stays as it is."""
    asked(call)
    await objects.body(call, call.world.settings.max_json_bytes).whole()  # the region, which makes no difference
    service.create_bucket(call.world, call.account, bucket)
    return Ready(b"", headers=[(b"location", f"/{bucket}".encode())])


@router.head("/s3/{bucket}", operation_id="s3.head_bucket")
async def head_bucket(call: CallDep, bucket: str) -> Response:
    """HeadBucket."""
    _check_bucket(call, bucket)
    return Ready(b"", headers=[(b"x-amz-bucket-region", REGION.encode())])


@router.get("/s3/{bucket}", operation_id="s3.read_bucket")
async def read_bucket(call: CallDep, bucket: str) -> Response:
    """ListObjects, ListObjectsV2, GetBucketLocation, ListMultipartUploads."""
    query = asked(call)
    _check_bucket(call, bucket)
    if "location" in query:
        body = f'<?xml version="1.0" encoding="UTF-8"?>\n<LocationConstraint xmlns="{wire.NAMESPACE}">{REGION}</LocationConstraint>'
        return Ready(body.encode(), headers=(XML,))
    if "uploads" in query:
        found = uploads.of_bucket(call.world, call.account, bucket)
        items: list[Any] = [
            ("Upload", [("Key", key), ("UploadId", id), ("Initiated", wire.xml_date(at))])
            for key, id, at in found
            if key.startswith(query.get("prefix", ""))
        ]
        return wire.answer("ListMultipartUploadsResult", [("Bucket", bucket), ("IsTruncated", "false"), *items])
    return listing.list_objects(call, bucket, query)


@router.delete("/s3/{bucket}", operation_id="s3.delete_bucket")
async def delete_bucket(call: CallDep, bucket: str) -> Response:
    """DeleteBucket."""
    asked(call)
    uploads.delete_bucket(call.world, call.account, bucket)
    return Ready(b"", 204, ())


@router.post("/s3/{bucket}", operation_id="s3.post_bucket")
async def post_bucket(call: CallDep, bucket: str) -> Response:
    """DeleteObjects."""
    query = asked(call)
    if "delete" not in query:
        raise NotEmulated("A POST to a bucket other than DeleteObjects is not implemented.")
    document = wire.parse(await objects.body(call, call.world.settings.max_json_bytes).whole(), "Delete")
    keys = [found.findtext("Key") or "" for found in document.findall("Object")]
    if not 0 < len(keys) <= MOST_DELETED or not all(keys):
        raise MalformedXML
    service.delete_objects(call.world, call.account, bucket, keys)
    quiet = document.findtext("Quiet") == "true"
    return wire.answer("DeleteResult", [] if quiet else [("Deleted", [("Key", key)]) for key in keys])


@router.get("/s3/{bucket}/{key:path}", operation_id="s3.get_object")
async def get_object(call: CallDep, bucket: str, key: str) -> Response:
    """GetObject, a range of it too, and ListParts."""
    query = asked(call)
    if "uploadId" in query:
        return objects.list_parts(call, bucket, key, query)
    return objects.get(call, bucket, key, query)


@router.head("/s3/{bucket}/{key:path}", operation_id="s3.head_object")
async def head_object(call: CallDep, bucket: str, key: str) -> Response:
    """HeadObject."""
    return objects.get(call, bucket, key, asked(call), head=True)


@router.put("/s3/{bucket}/{key:path}", operation_id="s3.put_object")
async def put_object(call: CallDep, bucket: str, key: str) -> Response:
    """PutObject and UploadPart."""
    query = asked(call)
    if b"x-amz-copy-source" in call.exchange.headers:
        raise NotEmulated("CopyObject and UploadPartCopy are not implemented.")
    if "uploadId" in query:
        return await objects.put_part(call, bucket, key, query["uploadId"], query.get("partNumber", ""))
    return await objects.put(call, bucket, key)


@router.post("/s3/{bucket}/{key:path}", operation_id="s3.post_object")
async def post_object(call: CallDep, bucket: str, key: str) -> Response:
    """CreateMultipartUpload and CompleteMultipartUpload."""
    query = asked(call)
    if "uploads" in query:
        return objects.create_upload(call, bucket, key)
    if "uploadId" in query:
        return await objects.complete_upload(call, bucket, key, query["uploadId"])
    raise NotEmulated("A POST to an object other than a multipart upload is not implemented.")


@router.delete("/s3/{bucket}/{key:path}", operation_id="s3.delete_object")
async def delete_object(call: CallDep, bucket: str, key: str) -> Response:
    """DeleteObject and AbortMultipartUpload."""
    query = asked(call)
    if "uploadId" in query:
        uploads.abort(call.world, call.account, bucket, key, query["uploadId"])
    else:
        service.delete_objects(call.world, call.account, bucket, [key])
    return Ready(b"", 204, ())


def _check_bucket(call: Call, bucket: str) -> None:
    if not service.exists(call.world, call.account, bucket):
        raise NoSuchBucket
