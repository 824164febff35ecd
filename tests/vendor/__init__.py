"""What is borrowed from the vendor to test against: the calls its documentation prints, its SDK's own tests (conformance.py)."""

from typing import Any

from mock_server import catalogue

# Without storage, which is S3's: boto3 tests it.
EMULATED = {o.id: o for o in catalogue.operations() if o.room is not None and o.kind == "http" and not o.raw}
# What the vendor's documentation prints for each operation: httpx arguments. Those not named are sent without any.
EXAMPLES: dict[str, dict[str, Any]] = {
    "messages.send": {"json": {"to": "+13125550001", "from": "+13125550002", "text": "Hello"}},
    "openai.audio.create_speech": {"json": {"model": "tts-1-hd", "voice": "astra", "input": "Hello, world!"}},
    "audio.transcribe": {
        "data": {
            "file_url": "https://example.com/file.mp3",
            "model": "distil-whisper/distil-large-v2",
            "response_format": "json",
            "timestamp_granularities[]": "segment",
            "language": "en-US",
            "model_config": "{'smart_format': True, 'punctuate': True}",
        },
        "files": {"file": b"RIFF$\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0@\x1f\0\0\x80>\0\0\2\0\x10\0data\0\0\0\0"},
    },
    "chat.create_completion": {
        "json": {
            "messages": [
                {"role": "system", "content": "You are a friendly chatbot."},
                {"role": "user", "content": "Hello, world!"},
            ]
        }
    },
    "openai.chat.create_completion": {"json": {"messages": [{"role": "user", "content": "Hello, world!"}]}},
    "openai.create_response": {
        "json": {
            "model": "zai-org/GLM-5.1-FP8",
            "instructions": "You are a friendly chatbot.",
            "input": [{"role": "user", "content": [{"type": "input_text", "text": "Hello, world!"}]}],
        }
    },
    "ai.create_response": {"json": {"input": "Hello, world!"}},
    "anthropic.v1.messages": {
        "json": {
            "model": "zai-org/GLM-5.2",
            "system": "You are a friendly chatbot.",
            "messages": [{"role": "user", "content": "Hello, world!"}],
            "max_tokens": 1024,
        }
    },
    "conversations.insight_groups.create": {"json": {"name": "my-resource"}},
    "conversations.insights.create": {"json": {"instructions": "You are a helpful assistant.", "name": "my-resource"}},
    "conversations.add_message": {"json": {"role": "user"}},
    "embeddings.create": {"json": {"bucket_name": "my-bucket"}},
    "embeddings.similarity_search": {"json": {"bucket_name": "my-bucket", "query": "What is Telnyx?"}},
    "embeddings.url": {"json": {"url": "https://example.com/resource", "bucket_name": "my-bucket"}},
    "fine_tuning.jobs.create": {"json": {"model": "openai/gpt-4o", "training_file": "training-data.jsonl"}},
    "openai.embeddings.create_embeddings": {
        "json": {"input": "The quick brown fox jumps over the lazy dog", "model": "thenlper/gte-large"}
    },
    "ai.summarize": {"json": {"bucket": "my-bucket", "filename": "data.csv"}},
    "legacy.reporting.batch_detail_records.speech_to_text.create": {
        "json": {"start_date": "2020-07-01T00:00:00-06:00", "end_date": "2020-07-01T00:00:00-06:00"}
    },
    "legacy.reporting.usage_reports.retrieve_speech_to_text": {
        "params": {"start_date": "2020-07-02T00:00:00-06:00", "end_date": "2020-07-01T00:00:00-06:00"}
    },
}
