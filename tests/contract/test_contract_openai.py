"""The hosted model. Its contract needs no server: identity and checks are settled without one."""

from __future__ import annotations

import pytest

pytest.importorskip("openai")
pytest.importorskip("tenacity")

from w2s_toolkit.testing import ModelContract


class TestOpenAI(ModelContract):
    use = "openai"
    config = {"id": "some-model", "base_url": "http://127.0.0.1:9/v1"}
    other_values = {
        "base_url": "http://127.0.0.1:8/v1",
        "api_key_env": "ANOTHER_KEY",
        "offers": ["seed"],
        "price": {"prompt": 1, "completion": 4},
        "extra_body": {"reasoning_effort": "low"},
    }
    bad_configs = [
        {"id": ""},
        {"base_url": "not an address"},
        {"base_url": "ftp://example.com/v1"},
        {"base_url": "https://me:password@example.com/v1"},
        {"base_url": "https://example.com/v1?key=abc"},
        {"api_key_env": "sk-thisIsNoName12345"},
        {"offers": ["telepathy"]},
        {"extra_body": {"model": "another"}},
        {"price": {"prompt": -1, "completion": 1}},
        {"max_attempts": 0},
        {"timeout_s": 0},
    ]


class TestOpenAIThatOffersLogprobs(ModelContract):
    use = "openai"
    config = {"id": "m", "base_url": "http://127.0.0.1:9/v1", "offers": ["logprobs"]}
    other_values = {**TestOpenAI.other_values, "base_url": "https://example.com/v1"}
