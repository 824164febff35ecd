"""The vendor's printed curl commands for chat, models and error handling, run by bash with only the host replaced."""

import json
import os
import shutil
import subprocess

import pytest

CHAT = r"""
curl \
  -X POST \
  -H "Authorization: Bearer $TELNYX_API_KEY" \
  -H "Content-Type: application/json" \
  -d '{
  "messages": [
    {
      "role": "system",
      "content": "You are a friendly chatbot."
    },
    {
      "role": "user",
      "content": "Hello, world!"
    }
  ]
}' \
  "https://api.telnyx.com/v2/ai/chat/completions"
"""
MODELS = r"""
curl -H "Authorization: Bearer $TELNYX_API_KEY" "https://api.telnyx.com/v2/ai/models"
"""
ERROR_HANDLING = r"""
response=$(curl -s -w "\n%{http_code}" \
  -X POST "https://api.telnyx.com/v2/messages" \
  -H "Authorization: Bearer $TELNYX_API_KEY" \
  -H "Content-Type: application/json" \
  -d '{"to": "+13125550001", "from": "+13125550002", "text": "Hello"}')
http_code=$(echo "$response" | tail -1)
body=$(echo "$response" | sed '$d')
case $http_code in
  2*) echo "Success: $body" ;;
  422) echo "Validation error - check required fields and formats" ;;
  429) echo "Rate limited - retry after delay"; sleep 1 ;;
  401) echo "Authentication failed - check TELNYX_API_KEY" ;;
  *)   echo "Error $http_code: $body" ;;
esac
"""
pytestmark = pytest.mark.skipif(not (shutil.which("bash") and shutil.which("curl")), reason="needs bash and curl")


def run(client, script: str) -> str:
    """What the script prints, its host replaced by the mock's and its key by the client's."""
    script = script.replace("https://api.telnyx.com", client.url)
    env = {**os.environ, "TELNYX_API_KEY": client.key, "no_proxy": "*"}
    done = subprocess.run(["bash", "-c", script], env=env, capture_output=True, text=True, timeout=30, check=True)
    return done.stdout


def test_create_a_chat_completion(client):
    answer = json.loads(run(client, CHAT))
    assert "Hello, world!" in answer["choices"][0]["message"]["content"]
    assert [(entry["method"], entry["status"]) for entry in client.journal()] == [("POST", 200)]


def test_get_available_models(client):
    model = json.loads(run(client, MODELS))["data"][0]
    assert isinstance(model["created"], int) and model["id"] and model["object"] == "model" and model["owned_by"]
    assert [(entry["method"], entry["status"]) for entry in client.journal()] == [("GET", 200)]


def test_error_handling_as_printed(client):
    printed = run(client, ERROR_HANDLING)
    assert printed.startswith("Success: ")
    sent = json.loads(printed.removeprefix("Success: "))["data"]
    assert sent["text"] == "Hello" and sent["to"][0]["phone_number"] == "+13125550001"


@pytest.mark.parametrize(
    ("status", "branch"),
    [
        (422, "Validation error - check required fields and formats"),
        (429, "Rate limited - retry after delay"),
        (401, "Authentication failed - check TELNYX_API_KEY"),
        (403, 'Error 403: {"errors":[{"code":"10010"'),
        (404, 'Error 404: {"errors":[{"code":"10005"'),
        (500, 'Error 500: {"errors":[{"code":"10007"'),
    ],
)
def test_error_handling_reaches_every_branch_by_a_magic_key(client, status, branch):
    failing = client.as_key(f"mock-fault-{status}-{client.key}")
    assert run(failing, "sleep() { :; }\n" + ERROR_HANDLING).startswith(branch)


def test_error_handling_without_a_key(client):
    assert run(client.as_key(""), ERROR_HANDLING) == "Authentication failed - check TELNYX_API_KEY\n"


def test_error_handling_with_a_field_left_out(client):
    without_to = ERROR_HANDLING.replace('"to": "+13125550001", ', "")
    assert run(client, without_to) == "Validation error - check required fields and formats\n"
