"""What can be wrong with buckets and objects, under S3's names; other rooms tell them in their own dialect."""

from mock_server.base.errors import BadRequest, Conflict, NotFound


class NoSuchBucket(NotFound):
    s3_code, default_detail = "NoSuchBucket", "The specified bucket does not exist."


class NoSuchKey(NotFound):
    s3_code, default_detail = "NoSuchKey", "The specified key does not exist."


class NoSuchUpload(NotFound):
    s3_code = "NoSuchUpload"
    default_detail = "The specified multipart upload does not exist. It may have been aborted or completed."


class BucketNotEmpty(Conflict):
    s3_code, default_detail = "BucketNotEmpty", "The bucket you tried to delete is not empty."


class InvalidBucketName(BadRequest):
    s3_code, default_detail = "InvalidBucketName", "The specified bucket is not valid."


class TooManyBuckets(BadRequest):
    s3_code, default_detail = "TooManyBuckets", "You have attempted to create more buckets than allowed."


class KeyTooLong(BadRequest):
    s3_code, default_detail = "KeyTooLongError", "Your key is too long: 1024 bytes at most."


class BadDigest(BadRequest):
    s3_code, default_detail = "BadDigest", "The Content-MD5 or checksum you specified did not match what we received."


class IncompleteBody(BadRequest):
    s3_code, default_detail = "IncompleteBody", "The request body is not what its framing announces."


class MalformedXML(BadRequest):
    s3_code, default_detail = "MalformedXML", "The XML you provided was not well-formed or did not validate."


class InvalidArgument(BadRequest):
    s3_code = "InvalidArgument"


class InvalidPart(BadRequest):
    s3_code = "InvalidPart"
    default_detail = "One or more of the specified parts could not be found, or its entity tag did not match."


class InvalidPartOrder(BadRequest):
    s3_code, default_detail = "InvalidPartOrder", "The list of parts was not in ascending order."


class EntityTooSmall(BadRequest):
    s3_code, default_detail = "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size."


class InvalidRange(BadRequest):
    status = 416
    s3_code, default_detail = "InvalidRange", "The requested range is not satisfiable."


class PreconditionFailed(BadRequest):
    status = 412
    s3_code = "PreconditionFailed"
    default_detail = "At least one of the pre-conditions you specified did not hold."
