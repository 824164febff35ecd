"""The vendor SDK's own tests against this server: see tests/vendor/conformance.py, which `make conformance` runs too."""

import json

import pytest

from tests.vendor import conformance

# No released SDK has a method for these: sockets, and routes that its generator leaves out.
WITHOUT_METHOD = {
    "ai.create_response",
    "ai.list_voices",
    "openai.audio.create_speech",
    "speech_to_text.transcribe",
    "text_to_speech.retrieve_audio",
    "text_to_speech.stream",
}
TESTS = """
class TestModels:
    @pytest.mark.skip(reason="Mock server tests are disabled")
    @parametrize
    def test_raw_response_list_models(self, client: Telnyx) -> None:
        response = client.ai.openai.with_raw_response.list_models()

    @pytest.mark.skip(reason="Mock server tests are disabled")
    async def test_method_retrieve_models(self, async_client: AsyncTelnyx) -> None:
        await async_client.ai.retrieve_models()

    def test_method_list_models(self, client: Telnyx) -> None:
        client.ai.openai.list_models()
"""


def test_a_skipped_test_is_selected_by_the_operation_it_calls() -> None:
    operations = frozenset({"openai.list_models"})

    [selected] = conformance.select(TESTS, "tests.test_models", operations)
    text = conformance.without_lines(TESTS, [selected.skip_lines])

    assert (selected.place, selected.function) == ("tests.test_models.TestModels", "test_raw_response_list_models")
    assert text.count("Mock server tests are disabled") == 1


def test_a_refusal_is_never_a_foreseen_failure() -> None:
    test = conformance.Selected(
        "place", "test_method_create_completion_with_all_params", "chat.create_completion", range(1)
    )

    outcomes = [conformance.judge("4.80.0", test, "name", m) for m in ("assert str is dict", "Error code: 422", "")]

    assert [outcome.kind for outcome in outcomes] == ["foreseen", "failed", "passed unforeseen"]


@pytest.mark.proof
@pytest.mark.timeout(900)
@pytest.mark.parametrize("version", conformance.VERSIONS)
def test_the_sdks_own_tests_pass(version: str) -> None:
    report = conformance.run(version)

    print(report.table())
    assert report.outcomes
    assert not report.unexpected(), report.table()
    assert json.loads(conformance.COUNTS.read_text())[version] == report.counts(), "run make conformance"


@pytest.mark.proof
@pytest.mark.timeout(900)
def test_every_emulated_operation_is_tested_by_one_of_the_sdks() -> None:
    tested = set()
    for version in conformance.VERSIONS:
        source = conformance.unpack(conformance.download(version))
        for file in (source / "tests" / "api_resources").rglob("test_*.py"):
            found = conformance.select(file.read_text(encoding="utf-8"), file.stem, conformance.emulated())
            tested |= {test.operation for test in found}

    assert conformance.emulated() - tested <= WITHOUT_METHOD
