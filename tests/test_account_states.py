"""Accounts that something is wrong with: revoked, forbidden, without funds, read-only."""

from typing import Any

import pytest
import telnyx
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from mock_server import Settings
from mock_server.base.settings import SettingsError

TOLD = {"revoked": (401, "10009"), "forbidden": (403, "10010"), "without-funds": (403, "20015")}
RAISED: dict[str, Any] = {
    "revoked": telnyx.AuthenticationError,
    "forbidden": telnyx.PermissionDeniedError,
    "without-funds": telnyx.PermissionDeniedError,
}
SOCKET = "/speech-to-text/transcription"


def put(client, state: str) -> None:
    assert client.admin("PUT", "/account", json={"state": state}).json()["data"]["state"] == state


@pytest.mark.parametrize("state", TOLD)
@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/ai/models"), ("POST", "/ai/chat/completions"), ("GET", "/ai/assistants")]
)
def test_a_state_refuses_everything_in_the_vendors_envelope(client, state, method, path):
    put(client, state)
    answer = client.request(method, path)
    (item,) = answer.json()["errors"]
    assert (answer.status_code, item["code"]) == TOLD[state]
    assert answer.headers["x-mock-fault"] == f"state:{state}"
    assert [entry["fault"] for entry in client.journal()] == [f"state:{state}"]


@pytest.mark.parametrize("state", TOLD)
def test_the_sdk_raises_the_typed_error_and_does_not_retry(client, state):
    put(client, state)
    with telnyx.Telnyx(api_key=client.key, base_url=client.v2) as sdk, pytest.raises(RAISED[state]):
        sdk.ai.openai.list_models()
    assert len(client.journal()) == 1


def test_without_funds_reads_as_the_service_words_it(client):
    put(client, "without-funds")
    assert client.chat().json()["errors"][0]["detail"] == "User account is not enabled for inference."


@pytest.mark.parametrize(("state", "code"), [("without-funds", "UserSuspended"), ("forbidden", "AccessDenied")])
def test_storage_tells_it_as_s3_does(client, state, code):
    put(client, state)
    answer = client.http.get(f"{client.url}/s3/my-bucket", headers={"authorization": f"AWS {client.key}:x"})
    assert answer.status_code == 403 and f"<Code>{code}</Code>" in answer.text


def test_read_only_reads_and_does_not_write(client):
    client.post("/ai/conversations", {"name": "before"})
    put(client, "read-only")

    refused = [client.request(m, "/ai/conversations") for m in ("POST",)]
    refused += [client.request(m, "/ai/conversations/x") for m in ("PUT", "DELETE")]
    listed = client.get("/ai/conversations").json()["data"]

    assert [(r.status_code, r.json()["errors"][0]["code"]) for r in refused] == [(403, "10010")] * 3
    assert [one["name"] for one in listed] == ["before"]


def test_a_socket_is_denied(client):
    put(client, "forbidden")
    url = client.v2.replace("http", "ws") + SOCKET
    with pytest.raises(InvalidStatus) as denied:
        connect(url, additional_headers={"authorization": f"Bearer {client.key}"}, proxy=None)
    assert denied.value.response.status_code == 403


def test_other_accounts_see_nothing_of_it_and_it_ends(client):
    other = client.as_key(client.key + "-other")
    put(client, "revoked")
    assert (client.get("/ai/models").status_code, other.get("/ai/models").status_code) == (401, 200)
    put(client, "active")
    assert client.get("/ai/models").status_code == 200
    put(client, "revoked")
    assert client.admin("DELETE", "/account").json()["data"]["state"] == "active"
    put(client, "revoked")
    client.admin("POST", "/reset")
    assert client.get("/ai/models").status_code == 200


def test_without_a_key_it_is_for_all_that_were_not_given_a_state(start):
    client = start()
    other = client.as_key("another-key-altogether")
    put(client, "read-only")
    client.http.put(client.url + "/_mock/account", json={"state": "revoked"})
    assert (client.get("/ai/models").status_code, other.get("/ai/models").status_code) == (200, 401)
    assert client.as_key("a-new-one").get("/ai/models").status_code == 401
    client.http.post(client.url + "/_mock/reset")
    assert other.get("/ai/models").status_code == 200 and client.chat().status_code == 200


def test_by_settings_and_back_to_them_on_reset(start):
    client = start(account_state=("test-key-of-its-own=revoked", "poor=without-funds"))
    assert [client.get("/ai/models").status_code, client.as_key("poor").get("/ai/models").status_code] == [401, 403]
    assert client.as_key("any-other").get("/ai/models").status_code == 200
    put(client, "active")
    assert client.get("/ai/models").status_code == 200
    client.admin("POST", "/reset")
    assert client.get("/ai/models").status_code == 401


def test_a_key_that_was_given_a_state_counts_as_named(start):
    client = start(api_key=("good",), account_state=("poor=without-funds",))
    found = {key: client.as_key(key).get("/ai/models").status_code for key in ("good", "poor", "unknown")}
    assert found == {"good": 200, "poor": 403, "unknown": 401}


def test_a_key_may_hold_equals_signs(start):
    assert start(account_state=("a=b==revoked",)).as_key("a=b=").get("/ai/models").status_code == 401


@pytest.mark.parametrize("text", ["", "revoked", "key=", "key=gone", "=revoked"])
def test_a_setting_that_cannot_be_read_does_not_repeat_the_key(text):
    with pytest.raises(SettingsError, match="--account-state") as refused:
        Settings(account_state=(text,))
    assert "gone" not in str(refused.value)


@pytest.mark.parametrize("body", [{}, {"state": "gone"}, {"state": "revoked", "x": 1}, []])
def test_a_malformed_state_is_refused(client, body):
    assert client.admin("PUT", "/account", json=body).status_code == 422
    assert client.get("/ai/models").status_code == 200
