"""A small server over a lab model that gives what ``transformers serve`` does not: log-probabilities.

It computes with the model itself, so what it says can be compared with the same model in this process.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import uvicorn
from fastapi import FastAPI, Request
from served import free_port
from transformers import AutoModelForCausalLM, AutoTokenizer


class LabApi:
    """Greedy chat completions with ``logprobs``; one request at a time."""

    def __init__(self, folder: Path) -> None:
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        self._lock = threading.Lock()

    def prompt(self, messages: list[dict[str, str]]) -> Any:
        """Token ids of a chat, (1, n)."""
        given = self.tokenizer.apply_chat_template(
            messages, add_generation_prompt=True, return_tensors="pt", return_dict=True
        )
        return given["input_ids"]

    def next_log_probs(self, ids: Any) -> Any:
        """Log-probabilities of the next token, (vocabulary,)."""
        with torch.inference_mode():
            return torch.log_softmax(self.model(ids).logits[0, -1].float(), dim=-1)

    def complete(self, body: dict[str, Any]) -> dict[str, Any]:
        """The answer to one request."""
        ids = self.prompt(body["messages"])
        read, written, shown = ids.shape[1], [], []
        finish = "length"
        with self._lock:
            for _ in range(int(body.get("max_completion_tokens") or body.get("max_tokens") or 16)):
                scores = self.next_log_probs(ids)
                token = int(scores.argmax())
                written.append(token)
                if body.get("logprobs"):
                    shown.append(self._listed(scores, token, int(body.get("top_logprobs") or 0)))
                if token == self.tokenizer.eos_token_id:
                    finish = "stop"
                    break
                ids = torch.cat([ids, torch.tensor([[token]])], dim=1)
        text = self.tokenizer.decode(written, skip_special_tokens=True)
        return {
            "object": "chat.completion",
            "model": "lab",
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": text},
                    "finish_reason": finish,
                    "logprobs": {"content": shown} if shown else None,
                }
            ],
            "usage": {"prompt_tokens": read, "completion_tokens": len(written)},
        }

    def _listed(self, scores: Any, token: int, number: int) -> dict[str, Any]:
        values, best = scores.topk(max(1, number))

        def word(index: int) -> str:
            return str(self.tokenizer.decode([index]))

        return {
            "token": word(token),
            "logprob": float(scores[token]),
            "top_logprobs": [
                {"token": word(int(i)), "logprob": float(v)}
                for i, v in zip(best, values, strict=True)
            ],
        }


@contextlib.contextmanager
def lab_api(folder: Path) -> Iterator[tuple[str, LabApi]]:
    """Serve it in a thread; its base URL, and the model that answers."""
    api, port = LabApi(folder), free_port()
    app = FastAPI()

    @app.post("/v1/chat/completions")
    def completions(body: dict[str, Any]) -> dict[str, Any]:
        return api.complete(body)

    @app.get("/v1/models")
    def models(request: Request) -> dict[str, Any]:
        return {"data": [{"id": "lab", "max_model_len": 512}]}

    config = uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.02)
    try:
        yield f"http://127.0.0.1:{port}/v1", api
    finally:
        server.should_exit = True
        thread.join(10)
