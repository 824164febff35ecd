"""Text to speech on the wire: the request with an object for each provider, and the answers."""

from typing import Any, Literal

from pydantic import BaseModel, Field

PROVIDERS = ("aws", "telnyx", "azure", "elevenlabs", "minimax", "rime", "resemble", "xai", "humain", "soniox")
TextType = Literal["text", "ssml"]
OutputType = Literal["binary_output", "base64_output", "audio_id"]
NAMED: dict[str, Any] = {"enum": list(PROVIDERS)}


class Aws(BaseModel):
    language_code: str | None = None
    text_type: TextType | None = None
    lexicon_names: list[str] | None = None
    output_format: str | None = None
    sample_rate: str | int | None = None


class Telnyx(BaseModel):
    voice_speed: float = Field(1.0, ge=0.5, le=2.0)
    response_format: str | None = None
    sampling_rate: int | None = None
    temperature: float | None = None
    volume: float = Field(1.0, ge=0.0, le=2.0)
    emotion: Literal["neutral", "happy", "sad", "angry", "fearful", "disgusted", "surprised"] | None = None


class Azure(BaseModel):
    language_code: str | None = None
    output_format: str | None = None
    text_type: TextType | None = None
    api_key: str | None = None
    region: str | None = None
    deployment_id: str | None = None
    effect: str | None = None
    gender: str | None = None


class Elevenlabs(BaseModel):
    language_code: str | None = None
    voice_settings: dict[str, Any] | None = None
    api_key: str | None = None


class Minimax(BaseModel):
    speed: float | None = None
    vol: float | None = None
    pitch: int | None = None
    language_boost: str | None = None
    response_format: str | None = None


class Rime(BaseModel):
    voice_speed: float | None = None
    response_format: str | None = None
    sampling_rate: int | None = None


class Resemble(BaseModel):
    api_key: str | None = None
    precision: str | None = None
    sample_rate: str | int | None = None
    format: str | None = None


class Xai(BaseModel):
    voice_id: Literal["eve", "ara", "rex", "sal", "leo"]
    language: str = "auto"
    output_format: Literal["mp3", "wav", "pcm", "mulaw", "alaw"] | None = None
    sample_rate: Literal[8000, 16000, 22050, 24000, 44100, 48000] | None = None


class Humain(BaseModel):
    voice_id: Literal["sara-en", "abdulaziz-en", "sara-ar", "abdulaziz-ar", "nourah-ar", "abdullah-ar"]
    ttfb_eagerness: float | None = Field(None, ge=0.0, le=1.0)


class Soniox(BaseModel):
    voice_id: str
    audio_format: Literal["mp3", "wav", "pcm_s16le", "pcm_mulaw", "pcm_alaw"] | None = None
    language: str | None = None
    model_id: str | None = None
    reduce_silence: bool | None = None
    sample_rate: Literal[8000, 16000, 24000, 44100, 48000] | None = None
    speed: float | None = None


class SpeechRequest(BaseModel):
    """`voice` is `provider.model_id.voice_id` or `provider.voice_id` and wins over `provider` and its object's voice."""

    text: str | None = None
    voice: str | None = None
    provider: str | None = Field(None, json_schema_extra=NAMED)
    language: str | None = None
    text_type: TextType | None = None
    output_type: OutputType = "binary_output"
    disable_cache: bool = False
    voice_settings: dict[str, Any] | None = None
    pronunciation_dict_id: str | None = None
    aws: Aws | None = None
    telnyx: Telnyx | None = None
    azure: Azure | None = None
    elevenlabs: Elevenlabs | None = None
    minimax: Minimax | None = None
    rime: Rime | None = None
    resemble: Resemble | None = None
    xai: Xai | None = None
    humain: Humain | None = None
    soniox: Soniox | None = None


class VoiceName(BaseModel):
    id: str


class OpenAISpeechRequest(BaseModel):
    """As the OpenAI SDK sends it."""

    input: str
    model: str
    voice: str | VoiceName
    instructions: str | None = None
    response_format: Literal["mp3", "opus", "aac", "flac", "wav", "pcm"] = "mp3"
    speed: float = Field(1.0, ge=0.25, le=4.0)
    stream_format: Literal["audio", "sse"] = "audio"


class Base64Answer(BaseModel):
    base64_audio: str = ""
    audio_url: str = ""


class Voice(BaseModel):
    provider: str
    name: str
    voice_id: str
    language: str
    gender: str
    hosted: bool = False


class VoicesAnswer(BaseModel):
    voices: list[Voice]
