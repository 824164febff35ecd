"""Speech-to-text providers on the wire."""

from pydantic import BaseModel

PROVIDERS = (
    "deepgram", "speechmatics", "assemblyai", "xai", "soniox", "parakeet", "humain", "reson8", "azure", "openai",
    "google", "telnyx", "cohere",
)  # fmt: skip
SERVICE_TYPES = ("streaming", "file_based", "in_call", "ai_assistant")
OLD_NAMES = {
    "file_transcription": "file_based",
    "in_call_transcription": "in_call",
    "ai_assistant_transcription": "ai_assistant",
}


class ServiceType(BaseModel):
    type: str
    languages: list[str]


class Provider(BaseModel):
    provider: str
    model: str
    hosted: bool
    service_types: list[ServiceType]


class Total(BaseModel):
    total: int


class ProvidersAnswer(BaseModel):
    data: list[Provider]
    meta: Total
