"""Official SDKs that wait by moving their account's clock in the place of sleeping."""

from typing import Any

import openai
import telnyx

from tests.conftest import Client


class _Patient:
    test_client: Client

    def _calculate_retry_timeout(self, *args: Any, **options: Any) -> float:
        seconds = super()._calculate_retry_timeout(*args, **options)  # type: ignore[misc]
        self.test_client.admin("POST", "/clock", json={"advance": seconds})
        return 0


class _Telnyx(_Patient, telnyx.Telnyx):
    pass


class _OpenAI(_Patient, openai.OpenAI):
    pass


def patient_telnyx(client: Client) -> telnyx.Telnyx:
    """The vendor's SDK for the client's account."""
    sdk = _Telnyx(api_key=client.key, base_url=client.v2)
    sdk.test_client = client
    return sdk


def patient_openai(client: Client) -> openai.OpenAI:
    """OpenAI's SDK for the client's account."""
    sdk = _OpenAI(api_key=client.key, base_url=client.v2 + "/ai/openai")
    sdk.test_client = client
    return sdk
