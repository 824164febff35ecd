"""Summaries: extractive, deterministic, beside the loop; what is refused; scripted by replies."""

import asyncio
import io
import json
import shutil
import subprocess
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pdf
import pytest
import speech
import telnyx
from conftest import Client

from mock_server.domains.summarize.extract import summarize as summary
from mock_server.engine.loaders import Unreadable, load_text
from mock_server.engine.worker import Worker

FIXTURES = Path(__file__).parent.parent / "fixtures" / "buckets" / "my-bucket"
PRINTED = r"""
curl \
  -X POST \
  -H "Authorization: Bearer $TELNYX_API_KEY" \
  -H "Content-Type: application/json" \
  -d '{
  "bucket": "my-bucket",
  "filename": "data.csv"
}' \
  "https://api.telnyx.com/v2/ai/summarize"
"""


def put(client: Client, key: str, data: bytes, bucket: str = "my-bucket") -> None:
    headers = {"authorization": f"Bearer {client.key}"}
    assert client.http.put(f"{client.url}/s3/{bucket}/{key}", content=data, headers=headers).status_code == 200


def summarize(client: Client, filename: str, **fields: Any) -> str:
    answer = client.post("/ai/summarize", {"bucket": "my-bucket", "filename": filename, **fields}, timeout=60)
    assert answer.status_code == 200, answer.text
    summary: str = answer.json()["data"]["summary"]
    return summary


def refused(client: Client, filename: str, **fields: Any) -> tuple[int, str, str]:
    answer = client.post("/ai/summarize", {"bucket": "my-bucket", "filename": filename, **fields}, timeout=60)
    error = answer.json()["errors"][0]
    return answer.status_code, error["code"], error["detail"]


@pytest.mark.skipif(not (shutil.which("bash") and shutil.which("curl")), reason="needs bash and curl")
def test_the_printed_curl(client: Client) -> None:
    script = PRINTED.replace("https://api.telnyx.com", client.url)
    env = {"TELNYX_API_KEY": client.key, "PATH": "/usr/bin:/bin:/usr/local/bin", "no_proxy": "*"}
    done = subprocess.run(["bash", "-c", script], env=env, capture_output=True, text=True, timeout=30)

    assert set(json.loads(done.stdout)["data"]["summary"].split("\n")) <= set(
        (FIXTURES / "data.csv").read_text().split("\n")
    )


def test_the_official_sdk(client: Client) -> None:
    with telnyx.Telnyx(api_key=client.key, base_url=client.v2) as sdk:
        found = sdk.ai.summarize(bucket="my-bucket", filename="notes.txt", system_prompt="Be brief.")
        with pytest.raises(telnyx.NotFoundError):
            sdk.ai.summarize(bucket="my-bucket", filename="none")

    assert "backups" in found.data.summary


@pytest.mark.parametrize("name", ["about.html", "faq.json", "notes.txt", "data.csv", "training-data.jsonl"])
def test_each_sentence_occurs_in_its_file(client: Client, name: str) -> None:
    text = " ".join((FIXTURES / name).read_text().replace("<b>", "").replace("</b>", "").split())
    separator = "\n" if name.endswith(("csv", "jsonl")) else ". "

    sentences = summarize(client, name).split(separator)

    assert 2 <= len(sentences) <= 4
    assert [sentence for sentence in sentences if sentence.rstrip(".") not in text] == []


def test_a_pdf_is_read(client: Client) -> None:
    lines = {line for page in pdf.HANDBOOK for line in page}

    assert set(summarize(client, "handbook.pdf").replace(". ", ".\n").split("\n")) <= lines


def test_the_shipped_pdf_is_what_pdf_py_makes() -> None:
    assert (FIXTURES / "handbook.pdf").read_bytes() == pdf.make(pdf.HANDBOOK)


def test_two_files_give_two_summaries_and_one_file_one(client: Client) -> None:
    put(client, "a.txt", b"Bees make honey. Honey is sweet. Bees live in hives. The end.")
    put(client, "b.txt", b"Ships cross the sea. The sea is wide. Ships carry goods. The end.")

    first, second = summarize(client, "a.txt"), summarize(client, "b.txt")

    assert first != second and first == summarize(client, "a.txt") == summarize(client.as_key(client.key), "a.txt")


@pytest.mark.parametrize(
    "name, data, summary",
    [
        ("empty.txt", b"", ""),
        ("utf16.txt", "\ufeffÄpfel sind rot.".encode("utf-16-le"), "Äpfel sind rot."),
        ("latin.txt", b"Caf\xe9 au lait.", "Café au lait."),
        ("a.json", b'{"a": ["One thing.", 5, null, {"b": "Another."}]}', "One thing. Another."),
        ("a.HTML", b"<script>var x = 1;</script><p>Shown <b>bo</b>ld.<p>More.", "Shown bold. More."),
        ("unknown.xyz", b"Taken for text.", "Taken for text."),
        ("lone.json", b'["\\ud800 lone."]', "? lone."),
    ],
)
def test_small_files_of_each_type(client: Client, name: str, data: bytes, summary: str) -> None:
    put(client, name, data)

    assert summarize(client, name) == summary


def test_lines_that_were_broken_for_their_length_are_one_sentence_and_a_blank_line_ends_it() -> None:
    long = "A line of more than fifty characters that goes on"
    text = f"{long} and on\nwith its end.\n{long} to a blank line\n\nShort.  \n\n{long} to the end of all"

    assert summary([text], False) == f"{long} and on with its end. {long} to a blank line {long} to the end of all"
    assert summary(["One.\n\n  \nTwo."], True) == "One.\nTwo."
    assert summary(["One.  Two! ", "   ", ""], False) == "One. Two!"


def test_of_a_long_document_the_beginning_is_considered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mock_server.domains.summarize.extract.MOST_TEXT", 12)

    assert summary(["First.", "Second sentence.", "Third."], False) == "First. Second"


def test_a_system_prompt_and_a_file_name_choose_a_reply(start: Any, tmp_path: Path) -> None:
    (tmp_path / "replies").mkdir()
    (tmp_path / "replies" / "mine.yaml").write_text(
        """
        - id: haiku
          match: {operation: summarize, system_text: {contains: haiku}}
          reply: {text: "Numbers fall like snow. ({{user_text}})"}
        - id: notes
          match: {operation: ai.summarize, user_text: notes.txt}
          reply: {json: {points: 3}}
        """
    )
    client = start(fixtures=(tmp_path,))

    assert summarize(client, "data.csv", system_prompt="Write a HAIKU.") == "Numbers fall like snow. (data.csv)"
    assert json.loads(summarize(client, "notes.txt")) == {"points": 3}
    assert "revenue" not in summarize(client, "data.csv") and client.journal()[0]["reply"] == "default"


def test_a_system_text_chooses_a_chat_reply_too(start: Any, tmp_path: Path) -> None:
    (tmp_path / "replies").mkdir()
    (tmp_path / "replies" / "mine.yaml").write_text("- {id: p, match: {system_text: Pirate.}, reply: {text: Arr.}}")
    client = start(fixtures=(tmp_path,))
    messages = [{"role": "system", "content": "Pirate."}, {"role": "user", "content": "Hi"}]

    answer = client.post("/ai/chat/completions", {"messages": messages})

    assert answer.json()["choices"][0]["message"]["content"] == "Arr."
    assert client.chat().json()["choices"][0]["message"]["content"] != "Arr."


def test_audio_is_summarized_by_what_it_says(client: Client) -> None:
    put(client, "talk.MP3", speech.speak(client, "The ferry leaves at noon. Bring a coat."))

    assert summarize(client, "talk.MP3") == "The ferry leaves at noon. Bring a coat."


# Refused


@pytest.mark.timeout(20)
def test_html_that_is_nested_beyond_all_measure_is_told_at_once(client: Client) -> None:
    put(client, "deep.html", b"<div>x" * 1_000_000)

    status, code, detail = refused(client, "deep.html")

    assert (status, code) == (400, "10015") and "nested too deeply" in detail


def test_what_is_not_there(client: Client) -> None:
    assert refused(client, "none") == (404, "10005", "The specified key does not exist.")
    assert refused(client, "k", bucket="none") == (404, "10005", "The specified bucket does not exist.")
    put(client, "mine", b"Mine.")
    assert refused(client.as_key(client.key + "-other"), "mine")[0] == 404


@pytest.mark.parametrize(
    "name, data",
    [
        ("broken.pdf", b"%PDF-1.4 nonsense"),
        ("empty.pdf", b""),
        ("cut.pdf", pdf.make(pdf.HANDBOOK)[:700]),
        ("broken.json", b'{"a": '),
        ("deep.json", b"[" * 100_000 + b"]" * 100_000),
        ("number.json", b"1" * 10_000),
    ],
)
def test_a_file_that_cannot_be_read(client: Client, name: str, data: bytes) -> None:
    put(client, name, data)

    assert refused(client, name)[:2] == (400, "10015")
    assert summarize(client, "handbook.pdf")


# Documents, as they are read for summaries and embeddings alike


def test_a_pdf_is_known_by_its_first_bytes_whatever_its_name_is() -> None:
    document = pdf.make([["First page."], ["Second page."]])

    for name in ("a.pdf", "a.txt", "a.json", "a"):
        assert load_text(name, document) == ["First page.", "Second page."]


def test_a_pdf_with_a_password_is_refused_and_one_that_asks_for_none_is_read() -> None:
    from pypdf import PdfReader, PdfWriter

    def encrypted(password: str) -> bytes:
        writer, out = PdfWriter(PdfReader(io.BytesIO(pdf.make([["A secret."]])))), io.BytesIO()
        writer.encrypt(password, "owner", algorithm="RC4-128")
        writer.write(out)
        return out.getvalue()

    assert load_text("open.pdf", encrypted("")) == ["A secret."]
    with pytest.raises(Unreadable, match=r"^The PDF is encrypted\.$"):
        load_text("closed.pdf", encrypted("password"))


def test_of_a_pdf_of_many_pages_the_first_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    document = pdf.make([[f"Page {n}."] for n in range(5)])

    monkeypatch.setattr("mock_server.engine.loaders.MOST_TEXT", 20)
    assert load_text("a.pdf", document) == ["Page 0.", "Page 1.", "Page 2"[: 20 - 14]]
    monkeypatch.setattr("mock_server.engine.loaders.MOST_PAGES", 2)
    assert load_text("a.pdf", document) == ["Page 0.", "Page 1."]


@pytest.mark.parametrize("name", ["deep.html", "deep.xhtml"])
def test_html_is_refused_for_its_depth_and_not_for_its_length(name: str) -> None:
    assert load_text(name, b"<div>x</div><div>y</div>" * 6000) == ["\n".join("xy" * 6000)]
    with pytest.raises(Unreadable, match="over 5000 elements inside one another"):
        load_text(name, b"<div>x" * 5001)


def test_json_names_its_fields_as_text_and_keeps_strings_only_as_prose() -> None:
    data = b'[{"title": "Bees", "count": 3, "tags": ["a", "b"], "none": null, "open": true}, "bare", 7]'

    assert load_text("a.json", data) == ["title: Bees\ncount: 3\ntags: a\ntags: b\nopen: true", "bare", "7"]
    assert load_text("a.json", data, "prose") == ["Bees\na\nb", "bare"]
    assert load_text("a.jsonl", b'{"a": "One"}\nno JSON\n{"a": 2}') == ["a: One", "no JSON", "a: 2"]


def test_fields_of_csv_that_are_empty_or_have_no_name_are_told_without() -> None:
    rows = b"name,city,\nAnna,,blue\n\n,Rome\nBo,Oslo,red,extra\n"

    assert load_text("a.csv", rows) == ["name: Anna, blue\ncity: Rome\nname: Bo, city: Oslo, red, extra"]
    assert load_text("a.csv", b"only,a,head") == ["only,a,head"]


def test_a_body_that_breaks_the_schema(client: Client) -> None:
    answer = client.post("/ai/summarize", {"bucket": 5})

    assert answer.status_code == 422
    assert [item["loc"] for item in answer.json()["detail"]] == [["body", "bucket"], ["body", "filename"]]


def test_over_100_mb(start: Any, tmp_path: Path) -> None:
    (tmp_path / "large").mkdir()
    with (tmp_path / "large" / "over.txt").open("wb") as file:
        file.truncate(100 * 1024 * 1024 + 1)

    assert refused(start(buckets=(tmp_path,)), "over.txt", bucket="large")[:2] == (413, "10015")


def test_an_idempotency_key(client: Client) -> None:
    put(client, "k.txt", b"First words.")
    body, key = {"bucket": "my-bucket", "filename": "k.txt"}, {"idempotency-key": "once"}
    first = client.post("/ai/summarize", body, headers=key)
    put(client, "k.txt", b"Other words.")

    again = client.post("/ai/summarize", body, headers=key)

    assert again.content == first.content and again.headers["idempotent-replayed"] == "true"
    assert client.post("/ai/summarize", {**body, "filename": "x"}, headers=key).status_code == 422


def test_in_stub_nothing_is_refused(start: Any) -> None:
    client = start(profile="stub")

    assert summarize(client, "none.txt") == "A summary of none.txt."
    assert client.post("/ai/summarize", {}).status_code == 200


# Beside the loop


def bomb() -> bytes:
    """A PDF of a few hundred kilobytes whose one page unpacks to more than a gigabyte."""
    pack = zlib.compressobj(9)
    packed = b"".join(pack.compress(b" " * 1_048_576) for _ in range(1200)) + pack.flush()
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] /Contents 4 0 R /Resources << >> >>",
        b"<< /Length %d /Filter /FlateDecode >>\nstream\n%s\nendstream" % (len(packed), packed),
    ]
    return pdf.assemble(objects)


@pytest.mark.check
def test_a_bomb_does_no_harm(client: Client) -> None:
    put(client, "bomb.pdf", bomb())

    answer = client.post("/ai/summarize", {"bucket": "my-bucket", "filename": "bomb.pdf"}, timeout=60)

    assert answer.status_code in (200, 400)  # the library stops unpacking, and tells or does not
    assert summarize(client, "handbook.pdf")


def test_a_document_that_takes_too_long_is_given_up() -> None:
    async def read() -> list[str]:
        worker = Worker(longest=0.001)
        try:
            with pytest.raises(Unreadable, match="takes longer than"):
                await worker.text("a.pdf", pdf.make(pdf.HANDBOOK))
            worker.longest = 60
            return await worker.text("a.pdf", pdf.make(pdf.HANDBOOK))
        finally:
            worker.close()

    assert asyncio.run(read()) == ["\n".join(page) for page in pdf.HANDBOOK]


@pytest.mark.check
def test_others_are_answered_while_a_large_pdf_is_read(start: Any, tmp_path: Path) -> None:
    (tmp_path / "large").mkdir()
    pages = [
        [f"Line {line} of page {page} says something about the weather." for line in range(40)] for page in range(400)
    ]
    (tmp_path / "large" / "large.pdf").write_bytes(pdf.make(pages))
    client = start(buckets=(tmp_path,))

    with ThreadPoolExecutor(1) as threads:
        summary = threads.submit(summarize, client, "large.pdf", bucket="large")
        answered = 0
        while not summary.done():
            assert client.http.get(client.url + "/_mock/health").status_code == 200
            answered += 1

    assert "weather" in summary.result() and answered > 10
