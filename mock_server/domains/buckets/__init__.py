"""Storage buckets: an S3 subset under /s3, and what other rooms read from them."""
