"""Takes the pictures of docs/screenshots anew: `python docs/screenshots.py`. Wants Chromium, as tests/test_console.py does."""

import shutil
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))  # this checkout, whatever is installed

import httpx
from playwright.sync_api import sync_playwright

from mock_server import LocalServer, Settings

FOLDER = Path(__file__).parent / "screenshots"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
WIDE, PHONE = {"width": 1280, "height": 760}, {"width": 390, "height": 760}
HEADERS = {"authorization": "Bearer the-key-of-a-test"}


def talk(text: str, **fields: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}], **fields}


def fill(http: httpx.Client) -> None:
    """Some exchanges of a test, a second or two apart, the newest the one that is shown."""
    rule = {"id": "weather", "match": {"user_text": {"contains": "weather"}}, "reply": {"text": "Sunny, 24 degrees."}}
    http.post("/_mock/replies", json=rule)
    http.post("/_mock/faults", json={"effect": "429;times=1", "match": {"model": "openai/gpt-5.1"}})
    http.put("/s3/handbook")
    http.put("/s3/handbook/leave.txt", content=b"Leave is 30 days a year. Ask a week before.")
    chat, weather = "/v2/ai/openai/chat/completions", talk("What is the weather like?", stream=True)
    search = {"bucket_name": "handbook", "query": "How much leave is there?", "num_docs": 2}
    for method, path, body, more in (
        ("GET", "/v2/ai/models", None, {}),
        ("POST", "/v2/ai/conversations", {"name": "A talk"}, {}),
        ("POST", chat, talk("Hello?"), {}),
        ("GET", "/v2/ai/conversations/none", None, {}),
        ("POST", "/v2/ai/embeddings", {"bucket_name": "handbook"}, {}),
        ("POST", "/v2/ai/fine_tuning/jobs", {"model": "openai/gpt-4o", "training_file": "handbook"}, {}),
        ("POST", chat, talk("Hello?", model="openai/gpt-5.1"), {}),
        ("POST", "/v2/text-to-speech/speech", {"text": "Good morning.", "voice": "Telnyx.NaturalHD.astra"}, {}),
        ("POST", "/v2/chat/completions", talk("Hello?"), {}),
        ("POST", chat, talk("Hello?"), {"x-mock-fault": "503"}),
        ("POST", "/v2/ai/embeddings/similarity-search", search, {}),
        ("POST", chat, weather, {}),
    ):
        http.request(method, path, json=body, headers=more)
        http.post("/_mock/clock", json={"advance": 1.37})


def main() -> None:
    with (
        LocalServer(Settings(port=0, clock="2026-03-02T09:14:00Z")) as server,
        httpx.Client(base_url=server.url, headers=HEADERS, timeout=20, trust_env=False) as http,
        sync_playwright() as playwright,
    ):
        fill(http)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        for name, scheme, size, row in (
            ("light", "light", WIDE, 0), ("dark", "dark", WIDE, 1), ("phone", "light", PHONE, None),
        ):  # fmt: skip
            page = browser.new_context(color_scheme=scheme, viewport=size).new_page()
            page.goto(f"{server.url}/_mock/")
            page.get_by_text("live", exact=True).wait_for()
            if row is not None:
                page.locator(".row").nth(row).click()
                page.locator("#detail h3").wait_for()
            page.screenshot(path=FOLDER / f"console-{name}.png")


if __name__ == "__main__":
    main()
