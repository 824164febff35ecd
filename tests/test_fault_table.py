"""The table of errors: every operation by every status, and the official SDKs' own exceptions for it."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from xml.etree import ElementTree

import httpx
import openai
import pytest
import telnyx

from mock_server import catalogue

META = "https://developers.telnyx.com/docs/overview/errors/"
CREDENTIALS = "The required authentication headers were either invalid or not included in the request."
PERMISSION = "You do not have permission to perform the requested action on the specified resource or resources."
CODES = {
    400: ("10015", "Bad Request", "The request failed because it was not well-formed."),
    401: ("10009", "Authentication failed", CREDENTIALS),
    403: ("10010", "Authorization failed", PERMISSION),
    404: ("10005", "Resource not found", "The requested resource or URL could not be found."),
    409: ("10036", "Resource is being processed", "A request with this Idempotency-Key is already being processed."),
    422: ("10027", "Unprocessable Entity", "Value error, injected fault"),
    429: ("10011", "Too many requests", "You have exceeded the maximum number of allowed requests."),
    500: ("10007", "Unexpected error", "An unexpected error occured."),
    503: ("10016", "Service unavailable", "Service is unavailable."),
}
RAISED = {400: "BadRequestError", 401: "AuthenticationError", 403: "PermissionDeniedError", 404: "NotFoundError", 409: "ConflictError",
          422: "UnprocessableEntityError", 429: "RateLimitError", 500: "InternalServerError", 503: "InternalServerError"}  # fmt: skip
OPERATIONS = [o for o in catalogue.operations() if o.kind == "http"]
MARKS = {"x-mock-fault", "retry-after", "x-ratelimit-limit"}
CONTENT = b"\0 no JSON: nobody looks at it"


def expected(status: int, dialect: str) -> Any:
    """The body as README's and the vendor's tables say it."""
    code, title, detail = CODES[status]
    item = {"code": code, "title": title, "detail": detail, "meta": {"url": META + code}}
    if status == 404 and dialect == "bucket":
        return {"detail": [{"code": code, "title": title, "detail": detail}]}
    if status != 422:
        return {"errors": [item]}
    if dialect in ("fa", "bucket"):
        return {"detail": [{"loc": ["body"], "msg": detail, "type": "value_error"}]}
    if dialect == "map":
        return {"errors": {"body": [detail]}}
    if dialect == "stt":
        title, detail, code = "Missing required parameter", f"'body': {detail}", "10004"
        return {
            "errors": [
                {
                    "code": code,
                    "title": title,
                    "detail": detail,
                    "source": {"pointer": "/body"},
                    "meta": {"url": META + code},
                }
            ]
        }
    return {"errors": [{**item, "source": {"pointer": "/"}}]}


@pytest.mark.parametrize("status", CODES)
def test_every_operation_answers_as_the_table_says(client, status):
    for operation in OPERATIONS:
        path = operation.path.replace(":path", "").replace("{", "").replace("}", "")
        headers = {"authorization": f"Bearer {client.key}", "x-mock-fault": str(status)}
        if operation.signed:
            headers["authorization"] = f"AWS4-HMAC-SHA256 Credential={client.key}/20260101/us/s3/aws4_request, x"
        answer = client.http.request(operation.method, client.url + path, headers=headers, content=CONTENT)

        where = f"{operation.id} {status}: {answer.text[:300]}"
        assert answer.status_code == status and answer.headers["x-mock-fault"] == "header", where
        assert ("retry-after" in answer.headers) == (status == 429), where
        if operation.method == "HEAD":
            assert answer.content == b"", where
        elif operation.dialect == "s3":
            assert ElementTree.fromstring(answer.content).tag == "Error", where
        else:
            assert answer.headers["content-type"] == "application/json", where
            assert answer.json() == expected(status, operation.dialect), where


def test_429_tells_its_limits_everywhere(client):
    for path in ("/ai/models", "/text-to-speech/voices", "/ai/assistants", "/speech-to-text/providers"):
        headers = client.get(path, headers={"x-mock-fault": "429;retry-after=4"}).headers
        assert [headers[n] for n in ("retry-after", "x-ratelimit-remaining", "x-ratelimit-reset")] == ["4", "0", "4"]


Call = Callable[[telnyx.Telnyx], Any]
CALLS: dict[str, Call] = {
    "chat": lambda sdk: sdk.ai.openai.chat.create_completion(messages=[{"role": "user", "content": "hi"}]),
    "chat, streamed": lambda sdk: sdk.ai.openai.chat.create_completion(messages=[{"role": "user", "content": "hi"}], stream=True),
    "models": lambda sdk: sdk.ai.openai.list_models(),
    "conversations": lambda sdk: sdk.ai.conversations.create(),
    "a conversation": lambda sdk: sdk.ai.conversations.retrieve("x"),
    "messages": lambda sdk: sdk.ai.conversations.messages.list("x"),
    "insights": lambda sdk: sdk.ai.conversations.insights.list(),
    "embeddings": lambda sdk: sdk.ai.embeddings.create(bucket_name="b"),
    "search": lambda sdk: sdk.ai.embeddings.similarity_search(bucket_name="b", query="q"),
    "a bucket's embeddings": lambda sdk: sdk.ai.embeddings.buckets.delete("b"),
    "fine-tuning": lambda sdk: sdk.ai.fine_tuning.jobs.create(model="m", training_file="f"),
    "summarize": lambda sdk: sdk.ai.summarize(bucket="b", filename="f"),
    "transcriptions": lambda sdk: sdk.ai.audio.transcribe(model="distil-whisper/distil-large-v2", file=b"x"),
    "speech": lambda sdk: sdk.text_to_speech.generate_speech(text="hi", voice="Telnyx.KokoroTTS.af"),
    "voices": lambda sdk: sdk.text_to_speech.list_voices(),
    "providers": lambda sdk: sdk.speech_to_text.list_providers(),
    "reports": lambda sdk: sdk.legacy.reporting.batch_detail_records.speech_to_text.list(),
    "not emulated": lambda sdk: sdk.ai.assistants.list(),
}  # fmt: skip


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_the_telnyx_sdk_raises_its_own_exception(client, call):
    for status, name in RAISED.items():
        sdk = telnyx.Telnyx(
            api_key=client.key, base_url=client.v2, max_retries=0, default_headers={"x-mock-fault": str(status)}
        )
        with pytest.raises(getattr(telnyx, name)) as raised:
            call(sdk)
        assert raised.value.status_code == status and CODES[status][2] in json.dumps(raised.value.body)


@pytest.mark.parametrize(("status", "name"), RAISED.items())
def test_the_openai_sdk_raises_its_own_exception(client, status, name):
    sdk = openai.OpenAI(
        api_key=client.key, base_url=client.v2 + "/ai", max_retries=0, default_headers={"x-mock-fault": str(status)}
    )
    for stream in (False, True):
        with pytest.raises(getattr(openai, name)):
            sdk.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}], stream=stream)
    with pytest.raises(getattr(openai, name)):
        sdk.models.list()


@pytest.mark.check
@pytest.mark.parametrize(
    ("status", "exchanges"), [(400, 1), (401, 1), (403, 1), (404, 1), (422, 1), (409, 3), (429, 3), (500, 3), (503, 3)]
)
def test_the_sdk_tries_again_what_may_be_tried_again_and_nothing_else(client, status, exchanges):
    sdk = telnyx.Telnyx(api_key=client.key, base_url=client.v2, max_retries=2)
    fault = f"{status};retry-after=0" if exchanges == 3 else str(status)
    with pytest.raises(telnyx.APIStatusError):
        sdk.ai.openai.list_models(extra_headers={"x-mock-fault": fault})
    assert len(client.journal()) == exchanges


TROUBLES: list[tuple[str, str, dict[str, Any]]] = [
    ("POST", "/faults", {"effect": 503}),
    ("POST", "/faults", {"match": {"user_text": "hi"}, "effect": "malformed"}),
    ("POST", "/faults", {"effect": "disconnect", "probability": 0.5}),
    ("POST", "/scenario", {"name": "flaky-network"}),
    ("PUT", "/limits", {"limits": ["1/hour"]}),
    ("PUT", "/account", {"state": "revoked"}),
]


@pytest.mark.check
def test_parallel_traffic_on_other_keys_sees_none_of_it(start):
    one = start()
    failing = [one.as_key(f"failing-{n}") for n in range(len(TROUBLES))]
    for client, (method, path, body) in zip(failing, TROUBLES, strict=True):
        client.admin(method, path, json=body).raise_for_status()

    def talk(client: Any) -> list[tuple[int, set[str]]]:
        seen = []
        for _ in range(25):
            try:
                answer = client.chat("hi")
                seen.append((answer.status_code, MARKS & set(answer.headers)))
            except httpx.TransportError:
                seen.append((0, set()))
        return seen

    good = [one.as_key(f"good-{n}") for n in range(4)]
    with ThreadPoolExecutor(len(failing) + len(good)) as pool:
        found = list(pool.map(talk, [*failing, *good]))

    assert all(any(status != 200 or marks for status, marks in seen) for seen in found[: len(failing)])
    assert found[len(failing) :] == [[(200, set())] * 25] * len(good)
    assert all(entry["fault"] is None for client in good for entry in client.journal())
