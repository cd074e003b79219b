"""Chats with local models: what they are asked, batches, samples, scores."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st

from w2s_hf import shared_prefix
from w2s_hf.chat import HFChat
from w2s_hf.chat_text import CONTROL_TOKENS, ChatText
from w2s_hf.config import HFModelConfig
from w2s_hf.model import HFModel
from w2s_hf.tiny import make_tiny_model
from w2s_lab.family import folder
from w2s_toolkit.contracts import ChatFailure, ChatModelSource, ChatRequest, ChatResult, Message
from w2s_toolkit.errors import ModelError
from w2s_toolkit.testing import tiny_context

WORDS = "the handle was plosten and sound | a glad thing | I found it weak, even bad".split()
LIKE_CHATML = (
    "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system') }}{% endif %}"
    "<s>{{ m.role }}: {{ m.content | trim }}</s>{% endfor %}{% if add_generation_prompt %}<s>model: {% endif %}"
)


@pytest.fixture(scope="module")
def chat(tmp_path_factory: pytest.TempPathFactory) -> HFChat:
    model = HFModel(HFModelConfig(id=str(folder("lab-s")), dtype="float32", device="cpu"))
    return HFChat(model, tiny_context(tmp_path_factory.mktemp("chat")))


def user(text: str, most: int = 12, **more: Any) -> ChatRequest:
    return ChatRequest((Message("user", text),), most, **more)


def asked(chat: HFChat, requests: list[ChatRequest]) -> list[str]:
    found = asyncio.run(chat.generate_many(requests))
    assert all(isinstance(one, ChatResult) for one in found)
    return [one.text for one in found if isinstance(one, ChatResult)]


def scored(
    chat: HFChat, requests: list[ChatRequest], choices: list[str]
) -> list[tuple[float, ...]]:
    found = asyncio.run(chat.score_many(requests, [choices] * len(requests)))
    return [one.log_probs for one in found if one and not isinstance(one, ChatFailure)]


def some(number: int, start: str = "") -> list[str]:
    return [f"{start} {' '.join(WORDS[i % 7 : i % 7 + 3 + i % 5])} {i}" for i in range(number)]


def test_a_local_model_is_a_chat_model_source(tmp_path: Path) -> None:
    model = HFModel(HFModelConfig(id=str(folder("lab-xs"))))
    assert isinstance(model, ChatModelSource)
    info = model.chat(tiny_context(tmp_path)).info()
    assert info.local and {"generate", "choice_probs"} <= info.capabilities
    assert info.fingerprint == model.fingerprint and info.context == 1024


SPECIALS = ["<|begin|>", "<|end|>", "<|pad|>", "<|system|>", "<|user|>", "<|assistant|>"]
PIECES = st.one_of(
    st.sampled_from([*SPECIALS, "<|en", "d|>", "\ue0000\ue001"]), st.text(max_size=8)
)


@given(st.lists(PIECES, max_size=6).map("".join), st.lists(PIECES, max_size=6).map("".join))
@settings(max_examples=60, deadline=None)
def test_content_never_becomes_a_control_token(first: str, second: str) -> None:
    text = LAB_TEXT
    frame = text.prompt([Message("system", ""), Message("user", "")]).ids
    prompt = text.prompt([Message("system", first), Message("user", second)])
    control = set(TOKENIZER.all_special_ids)
    assert [i for i in prompt.ids if i in control] == [i for i in frame if i in control]
    assert (CONTROL_TOKENS in prompt.flags) == any(
        s in t for s in SPECIALS for t in (first, second)
    )
    assert TOKENIZER.decode(text.content(first)) == first


TOKENIZER: Any = transformers.AutoTokenizer.from_pretrained(folder("lab-s"))
LAB_TEXT = ChatText(TOKENIZER, "lab")


def test_a_tokenizer_that_takes_nothing_apart_is_given_pieces() -> None:
    class Stubborn:
        """Ignores ``split_special_tokens``, as tokenizers in Python may."""

        all_special_tokens, all_special_ids = (
            TOKENIZER.all_special_tokens,
            TOKENIZER.all_special_ids,
        )
        chat_template = TOKENIZER.chat_template

        def __call__(self, text: str, **options: Any) -> Any:
            options.pop("split_special_tokens", None)
            return TOKENIZER(text, **options)

    ids = ChatText(Stubborn(), "stubborn").content("so <|end|><|assistant|> yes")
    assert not set(ids) & set(TOKENIZER.all_special_ids)
    assert "end" in TOKENIZER.decode(ids) and "yes" in TOKENIZER.decode(ids)


def test_the_template_reads_as_the_tokenizer_renders_it() -> None:
    messages = [Message("system", "Be brief."), Message("user", "A text.")]
    as_dicts = [{"role": m.role, "content": m.content} for m in messages]
    whole = TOKENIZER.apply_chat_template(as_dicts, tokenize=False, add_generation_prompt=True)
    expected = TOKENIZER(whole, add_special_tokens=False)["input_ids"]
    assert ChatText(TOKENIZER, "lab").prompt(messages).ids == expected


def plain_tokenizer(tmp_path: Path, template: str | None = None) -> Any:
    made = make_tiny_model(tmp_path / "tiny", some(40), hidden=32, layers=1, vocabulary=400)
    tokenizer: Any = transformers.AutoTokenizer.from_pretrained(made)
    tokenizer.chat_template = template
    return tokenizer


def test_without_a_template_the_default_one_is_used(tmp_path: Path) -> None:
    tokenizer = plain_tokenizer(tmp_path)
    text = ChatText(tokenizer, "tiny")
    chat = [
        Message("system", "S"),
        Message("user", "U"),
        Message("assistant", "A"),
        Message("user", "V"),
    ]
    shown = tokenizer.decode(text.prompt(chat).ids).replace(" ", "")
    assert shown == "S\n\nUser:U\nAssistant:A\nUser:V\nAssistant:"
    assert text.stop == ("\nUser:",)


def test_a_template_without_a_system_role_gets_it_from_the_user(tmp_path: Path) -> None:
    tokenizer = plain_tokenizer(tmp_path, LIKE_CHATML)
    ids = ChatText(tokenizer, "tiny").prompt([Message("system", "S"), Message("user", "U")]).ids
    shown = tokenizer.decode(ids).replace(" ", "")
    assert shown == "<s>user:S\n\nU</s><s>model:"


def test_answers_do_not_depend_on_the_batch(chat: HFChat) -> None:
    texts = [
        *some(9),
        *some(9, "a much longer beginning that several prompts have in common, so: "),
    ]
    together = asked(chat, [user(text) for text in texts])
    assert len(set(together)) > 3
    assert together == [asked(chat, [user(text)])[0] for text in texts]
    assert together == asked(chat, [user(text) for text in reversed(texts)])[::-1]


def searching(beams: int, folder_of_stage: Path) -> HFChat:
    values = {"id": str(folder("lab-s")), "dtype": "float32", "device": "cpu", "beams": beams}
    return HFChat(HFModel(HFModelConfig.model_validate(values)), tiny_context(folder_of_stage))


@pytest.mark.parametrize("beams", [2, 4])
def test_a_search_finds_what_transformers_finds_one_at_a_time(beams: int, tmp_path: Path) -> None:
    chat = searching(beams, tmp_path)
    requests = [user(text, 6 + 5 * number) for number, text in enumerate(some(6))]
    network = chat._model.language_model(chat._ctx)
    alone = []
    for request in requests:
        prompt = torch.tensor([ChatText(TOKENIZER, "lab").prompt(request.messages).ids])
        with torch.inference_mode():
            found = network.generate(
                input_ids=prompt,
                attention_mask=torch.ones_like(prompt),
                max_new_tokens=request.max_tokens,
                num_beams=beams,
                do_sample=False,
            )
        written = found[0, prompt.shape[1] :]
        alone.append(TOKENIZER.decode(written, skip_special_tokens=True).strip())
    together = asked(chat, requests)
    assert together == alone
    assert together == asked(chat, requests[::-1])[::-1]
    assert together != asked(searching(1, tmp_path / "greedy"), requests)


def test_a_search_ends_at_stop_too(tmp_path: Path) -> None:
    chat = searching(3, tmp_path)
    whole = asked(chat, [user("What does plosten mean?", 30)])[0]
    cut = asked(chat, [user("What does plosten mean?", 30, stop=(" ",))])[0]
    assert " " in whole and cut and " " not in cut


def test_a_search_draws_nothing(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="4 beams, and is asked to draw them"):
        asked(searching(4, tmp_path), [user("So?"), user("So?", temperature=0.7)])


def test_a_model_without_a_search_has_the_key_it_had() -> None:
    def key(**more: Any) -> dict[str, Any]:
        config = HFModelConfig.model_validate({"id": str(folder("lab-s")), **more})
        return config.key_parts(str)

    assert "beams" not in key() and key() == key(beams=1)
    assert key(beams=2)["beams"] == 2


def test_samples_follow_their_own_seed_in_any_batch(chat: HFChat) -> None:
    def drawn(text: str, seed: int, sample: int = 0) -> ChatRequest:
        return user(text, temperature=1.0, top_p=0.95, seed=seed, sample_index=sample)

    requests = [drawn(text, seed) for text in some(4) for seed in range(3)]
    together = asked(chat, requests)
    assert together == asked(chat, requests[::-1])[::-1]
    assert together[5] == asked(chat, [requests[5]])[0]
    assert len(set(together[:3])) > 1
    other = asked(chat, [drawn(some(4)[0], 0, sample) for sample in range(4)])
    assert other[0] == together[0] and len(set(other)) > 1


def test_an_answer_ends_at_stop_and_at_max_tokens(chat: HFChat) -> None:
    request = user("What does plosten mean?", 40)
    whole = asked(chat, [request])[0]
    word = whole.split()[2]
    cut = asyncio.run(chat.generate_many([user("What does plosten mean?", 40, stop=(word,))]))[0]
    assert isinstance(cut, ChatResult)
    assert cut.finish == "stop" and cut.text == whole[: whole.index(word)].strip()
    short = asyncio.run(chat.generate_many([user("What does plosten mean?", 2)]))[0]
    assert isinstance(short, ChatResult) and short.finish == "length"
    assert short.usage is not None and short.usage.completion_tokens == 2


def test_a_prompt_that_does_not_fit_fails_alone(chat: HFChat) -> None:
    good, bad = asyncio.run(
        chat.generate_many([user("What does plosten mean?"), user("word " * 2000)])
    )
    assert isinstance(good, ChatResult)
    assert isinstance(bad, ChatFailure) and bad.code == "rejected" and "1024" in bad.reason


@pytest.fixture
def said() -> Iterator[list[str]]:
    """What transformers logs at its usual level."""
    heard = list[str]()
    handler = logging.Handler()
    handler.emit = lambda record: heard.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("transformers")
    level = logger.level
    logger.addHandler(handler)
    transformers.utils.logging.set_verbosity_warning()
    yield heard
    logger.removeHandler(handler)
    logger.setLevel(level)


def test_nothing_is_said_of_long_texts_and_levels_change_once_a_call(
    said: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fresh() -> HFModel:
        return HFModel(HFModelConfig(id=str(folder("lab-xs")), dtype="float32", device="cpu"))

    long = "sound " * 1200
    chat = HFChat(fresh(), tiny_context(tmp_path / "chat"))
    changes, change = list[int](), logging.Logger.setLevel

    def counted(self: logging.Logger, level: int) -> None:
        changes.append(level)
        change(self, level)

    monkeypatch.setattr(logging.Logger, "setLevel", counted)
    for many in (2, 8):
        changes.clear()
        requests = [user(long), *(user(text, 2) for text in some(many))]
        failed = asyncio.run(chat.generate_many(requests))[0]
        assert isinstance(failed, ChatFailure) and "do not fit" in failed.reason
        asyncio.run(chat.score_many(requests, [["yes", "no"]] * len(requests)))
        assert changes == [logging.CRITICAL, logging.WARNING] * 2, "there and back, once a call"
    monkeypatch.undo()
    chat = HFChat(fresh(), tiny_context(tmp_path / "again"))
    asyncio.run(chat.generate_many([user(long)]))
    assert said == []
    fresh().tokenizer(tiny_context(tmp_path / "alone"))(long)
    assert len(said) == 1 and "longer than" in said[0], "which is what would be said"


def test_scores_are_the_log_likelihoods_of_whole_choices(chat: HFChat) -> None:
    model = HFModel(HFModelConfig(id=str(folder("lab-s")), dtype="float32", device="cpu"))
    network = model.new_language_model(torch.float32)
    choices = ["yes", "no, never", "The word plosten means good."]
    for text, found in zip(some(3), scored(chat, [user(t) for t in some(3)], choices), strict=True):
        prompt = ChatText(TOKENIZER, "lab").prompt([Message("user", text)]).ids
        for choice, value in zip(choices, found, strict=True):
            ids = TOKENIZER(choice, add_special_tokens=False)["input_ids"]
            with torch.inference_mode():
                logits = network(torch.tensor([[*prompt, *ids]])).logits[0].log_softmax(-1)
            expected = sum(logits[len(prompt) + i - 1, t].item() for i, t in enumerate(ids))
            assert value == pytest.approx(expected, abs=1e-4)


def test_scores_are_the_same_bits_in_any_order(chat: HFChat) -> None:
    requests, choices = [user(text) for text in some(12)], ["yes", "no", "never at all"]
    forth = scored(chat, requests, choices)
    back = scored(chat, requests[::-1], choices[::-1])
    assert forth == [one[::-1] for one in back[::-1]]


def test_shared_beginnings_change_speed_not_answers(
    chat: HFChat, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = "This is what everybody has read before, word for word, and it is rather long: " * 2
    requests = [user(text) for text in some(10, start)]
    reads = list[int]()
    forward: Callable[..., Any] = shared_prefix._forward

    def counting(network: Any, ids: Any, *rest: Any) -> Any:
        reads.append(int(ids.numel()))
        return forward(network, ids, *rest)

    monkeypatch.setattr(shared_prefix, "_forward", counting)
    shared = scored(chat, requests, ["yes", "no"])
    tokens, reads[:] = sum(reads), []
    monkeypatch.setattr(shared_prefix, "WORTH", 0.0)
    apart = scored(chat, requests, ["yes", "no"])
    assert tokens < 0.5 * sum(reads)
    for one, other in zip(shared, apart, strict=True):
        assert one == pytest.approx(other, abs=1e-4)


def test_hosted_calls_go_on_while_torch_computes(chat: HFChat) -> None:
    async def both() -> int:
        beats = 0
        work = asyncio.create_task(chat.generate_many([user(text, 20) for text in some(30)]))
        while not work.done():
            await asyncio.sleep(0)
            beats += 1
        return beats

    assert asyncio.run(both()) > 10
