"""The reference for the cold start: the least FastAPI application that answers a chat completion."""

from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()


class Message(BaseModel):
    role: str
    content: str


class Chat(BaseModel):
    model: str
    messages: list[Message]


@app.post("/v2/ai/chat/completions")
async def chat(request: Chat) -> dict[str, Any]:
    message = {"role": "assistant", "content": f"You said: {request.messages[-1].content}"}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return {"id": "chatcmpl-1", "object": "chat.completion", "model": request.model, "choices": [choice]}
