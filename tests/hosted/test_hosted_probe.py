"""What servers can is found out by asking, and remembered."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("openai")
pytest.importorskip("tenacity")

from asked import ask, generate
from fault_proxy import RETRIED, Proxy

from w2s_lab.family import folder
from w2s_openai.config import OpenAIModelConfig
from w2s_openai.known import Known
from w2s_openai.known import folder as where
from w2s_openai.model import OpenAIModel
from w2s_openai.probe import probe
from w2s_toolkit.digest import Digests
from w2s_toolkit.errors import ModelError

Make = Callable[..., Any]


def test_transformers_serve_ignores_what_it_answers_200_to(lab_server: str) -> None:
    known = probe(OpenAIModelConfig(id=str(folder("lab-l")), base_url=lab_server))
    assert known.abilities() == [] and known.limit == "max_tokens"


def test_a_server_with_log_probabilities_is_known_by_them_even_over_a_bad_line(
    lab_api: Any,
) -> None:
    with Proxy(lab_api[0], rate=0.2, stall=0.1, seed=5, first=RETRIED[:3]).running() as proxy:
        config = OpenAIModelConfig(id="lab", base_url=proxy.url, max_wait_s=0.2)
        known = probe(config)
    assert (known.abilities(), known.top_logprobs, known.context) == (["logprobs"], 20, 512)
    assert known == config.known()


def test_what_is_known_enters_the_fingerprint_and_nothing_asks_twice(lab_api: Any) -> None:
    with Proxy(lab_api[0]).running() as proxy:
        config = OpenAIModelConfig(id="lab", base_url=proxy.url)
        before = config.fingerprint(Digests())
        config.prepare()
        sent = sum(proxy.sent.values())
        config.prepare()
        assert sum(proxy.sent.values()) == sent > 0
    after = config.fingerprint(Digests())
    assert before != after == config.fingerprint(Digests())
    other = config.known()
    assert other is not None
    Known(**{**_fields(other), "date": "2030-01-01"}).write()
    assert config.fingerprint(Digests()) == after, "the date is no ability"
    Known(**{**_fields(other), "schema": True}).write()
    assert config.fingerprint(Digests()) != after


def _fields(known: Known) -> dict[str, Any]:
    return {name: getattr(known, name) for name in Known.__dataclass_fields__}


def test_damaged_knowledge_is_asked_for_again(lab_api: Any, model: Make) -> None:
    config = model(lab_api[0]).config
    [path] = where().glob("*.json")
    entry = json.loads(path.read_text())
    entry["known"]["top_logprobs"] = 20
    path.write_text(json.dumps(entry))
    assert config.known() is None
    path.write_text("{")
    assert config.known() is None


def test_an_offer_that_the_server_does_not_keep_is_refused(
    lab_api: Any, context: Make, model: Make
) -> None:
    hosted = model(lab_api[0], offers=["schema"])
    with pytest.raises(ModelError, match="found not to offer schema"):
        hosted.chat(context())


def test_an_offer_settles_the_key_without_a_server_and_limits_what_is_used(
    context: Make, model: Make
) -> None:
    config = OpenAIModelConfig(id="m", base_url="http://127.0.0.1:9/v1", offers=["seed"])
    before = config.fingerprint(Digests())
    config.prepare()
    hosted = model("http://127.0.0.1:9/v1", "m", top_logprobs=20, offers=[])
    assert hosted.chat(context()).info().capabilities == {"generate"}
    assert config.fingerprint(Digests()) == before != hosted.config.fingerprint(Digests())


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("401", "check the key"),
        ("quota", "top up"),
        ("400", "check id and base_url"),
        ("html", "should end in /v1"),
        ("drop", "start the server"),
    ],
)
def test_a_server_that_cannot_be_asked_is_told_with_what_to_do(
    fault: str, says: str, lab_api: Any
) -> None:
    with Proxy(lab_api[0], rate=1.0, faults=[fault]).running() as proxy:
        config = OpenAIModelConfig(id="lab", base_url=proxy.url, max_attempts=2, max_wait_s=0.01)
        with pytest.raises(ModelError) as error:
            probe(config)
    assert says in error.value.next_step
    assert config.known() is None


def test_refused_settings_are_left_out_and_flagged(lab_api: Any, context: Make) -> None:
    with Proxy(lab_api[0]).running() as proxy:
        config = OpenAIModelConfig(id="lab", base_url=proxy.url)
        Known(
            config.endpoint(), "lab", "2026-01-01", "max_completion_tokens", 0, False, False,
            refused=("temperature", "seed"),
        ).write()  # fmt: skip
        request = ask("Hello?", seed=3, temperature=0.0, schema={"type": "object"})
        [answer] = generate(OpenAIModel(config), context(), [request])
        [body] = proxy.bodies.values()
    assert set(answer.flags) == {"temperature_refused", "schema_ignored"}
    assert set(body) == {"model", "messages", "max_completion_tokens"}
