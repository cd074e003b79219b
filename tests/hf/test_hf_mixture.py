"""Language models that write together."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import transformers

from w2s_hf.mixture import Mixture
from w2s_toolkit.errors import ModelError

PROMPTS = ["the film was", "a story with a very lovely plot and", "it"]


@pytest.fixture(scope="module", params=["llama", "gpt2"])
def members(request, folders):
    """Four models of one vocabulary that disagree."""
    made = []
    for number in range(4):
        model = transformers.AutoModelForCausalLM.from_pretrained(folders[request.param]).eval()
        torch.manual_seed(number)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.3 * torch.randn_like(parameter))
        made.append(model)
    return made


@pytest.fixture(scope="module")
def batch(folders):
    tokenizer = transformers.AutoTokenizer.from_pretrained(folders["llama"], padding_side="left")
    tokenizer.pad_token = tokenizer.eos_token
    return tokenizer(PROMPTS, padding=True, return_tensors="pt")


def write(model, batch, **options):
    torch.manual_seed(7)
    return model.generate(
        **batch, max_new_tokens=12, pad_token_id=1, eos_token_id=None, **options
    ).tolist()


WAYS = {
    "greedy": {"do_sample": False},
    "sampling": {"do_sample": True, "temperature": 0.7, "top_k": 20},
    "beams": {"do_sample": False, "num_beams": 3},
    "without cache": {"do_sample": False, "use_cache": False},
    "penalty": {"do_sample": False, "repetition_penalty": 1.3},
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("rule", ["mean", "product"])
def test_one_member_is_itself(way, rule, members, batch):
    alone = write(members[0], batch, **WAYS[way])
    assert write(Mixture(members[:1], [0.3], rule), batch, **WAYS[way]) == alone
    # A member without a weight is not asked.
    assert write(Mixture(members[:2], [2.0, 0.0], rule), batch, **WAYS[way]) == alone


@pytest.mark.parametrize("way", ["greedy", "beams", "without cache", "penalty"])
@pytest.mark.parametrize(("rule", "sharpness"), [("mean", 0.0), ("product", 0.0), ("mean", 2.0)])
def test_equal_members_are_one(way, rule, sharpness, members, batch):
    alone = write(members[0], batch, **WAYS[way])
    equal = Mixture([members[0]] * 4, [0.5, 1.0, 2.0, 0.1], rule, sharpness)
    assert write(equal, batch, **WAYS[way]) == alone


def by_hand(members, weights, rule, ids, sharpness=0.0):
    """The mixed distribution of the next token, in float64."""
    probs = []
    for member in members:
        with torch.no_grad():
            logits = member(input_ids=torch.tensor([ids])).logits[0, -1].double()
        probs.append(torch.softmax(logits, -1).numpy())
    entropies = np.array([-(p * np.log(p)).sum() for p in probs])
    shares = np.array(weights) * np.exp(-sharpness * entropies)
    shares = shares / shares.sum()
    if rule == "mean":
        return shares @ np.array(probs)
    mixed = np.exp(shares @ np.log(probs))
    return mixed / mixed.sum()


@pytest.mark.parametrize("sharpness", [0.0, 2.0])
@pytest.mark.parametrize("rule", ["mean", "product"])
def test_the_distribution_is_the_weighted_one(rule, sharpness, members, batch):
    weights = [1.0, 0.2, 3.0, 0.7]
    mixture = Mixture(members, weights, rule, sharpness)
    ids = batch["input_ids"][1].tolist()
    with torch.no_grad():
        logits = mixture(input_ids=torch.tensor([ids])).logits[0, -1]
    expected = by_hand(members, weights, rule, ids, sharpness)
    np.testing.assert_allclose(torch.softmax(logits, -1).numpy(), expected, atol=1e-6)


@pytest.mark.parametrize("rule", ["mean", "product"])
def test_caches_and_batches_change_nothing(rule, members, batch):
    mixture = Mixture(members, [1.0, 0.2, 3.0, 0.7], rule)
    together = write(mixture, batch, **WAYS["greedy"])
    assert together == write(mixture, batch, **WAYS["without cache"])
    width = batch["input_ids"].shape[1]
    for row, prompt in enumerate(batch["input_ids"]):
        ids = prompt[batch["attention_mask"][row].bool()].tolist()
        for expected in together[row][width:]:
            token = int(by_hand(members, [1.0, 0.2, 3.0, 0.7], rule, ids).argmax())
            assert token == expected
            ids.append(token)


def test_a_folder_holds_all_of_it(members, batch, tmp_path):
    mixture = Mixture(members[:3], [1.0, 0.5, 2.0], "product", 3.0)
    mixture.save_pretrained(tmp_path / "together")
    back = Mixture.from_pretrained(tmp_path / "together")
    assert write(back, batch, **WAYS["greedy"]) == write(mixture, batch, **WAYS["greedy"])
    alone = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "together" / "member-1")
    assert write(alone, batch, **WAYS["greedy"]) == write(members[1], batch, **WAYS["greedy"])
    with pytest.raises(ModelError, match="no readable"):
        Mixture.from_pretrained(tmp_path)


def test_what_cannot_be_mixed_is_refused(members, folders):
    with pytest.raises(ModelError, match="positive"):
        Mixture(members[:2], [0.0, 0.0])
    with pytest.raises(ModelError, match="positive"):
        Mixture(members[:2], [1.0, -1.0])
    config = transformers.LlamaConfig(
        vocab_size=300, hidden_size=16, intermediate_size=16, num_hidden_layers=1,
        num_attention_heads=2,
    )  # fmt: skip
    other = transformers.LlamaForCausalLM(config)
    with pytest.raises(ModelError, match="300 and 400"):
        Mixture([members[0], other], [1.0, 1.0])


def test_what_a_mixture_cannot_do_is_said(members, batch):
    with pytest.raises(ModelError, match="not mixed by 'avg'"):
        Mixture(members[:2], [1.0, 1.0], "avg")
    with pytest.raises(ModelError, match="should be positive"):
        Mixture(members[:2], [1.0, float("nan")])
    with pytest.raises(ModelError, match="given a DynamicCache"):
        Mixture(members[:2], [1.0, 1.0])(**batch, past_key_values=transformers.DynamicCache())


def test_a_mixture_moves_with_its_members(members):
    mixed = Mixture(members[:2], [1.0, 1.0]).to(torch.float64)
    assert mixed.dtype == torch.float64 and members[1].dtype == torch.float64
    mixed.to(torch.float32)


def test_what_ends_a_text_for_any_member_ends_it_for_all(members, tmp_path):
    before = [m.generation_config.eos_token_id for m in members[:2]]
    try:
        for member, end in zip(members, ([1], [1, 5]), strict=False):
            member.generation_config.eos_token_id = end
        mixed = Mixture(members[:2], [1.0, 1.0])
        mixed.generation_config.max_new_tokens = 3
        mixed.save_pretrained(tmp_path / "mixed")
        again = Mixture.from_pretrained(tmp_path / "mixed")
        assert again.generation_config.eos_token_id == [1, 5]
        assert again.generation_config.max_new_tokens == 3
    finally:
        for member, end in zip(members, before, strict=False):
            member.generation_config.eos_token_id = end


def test_the_surest_member_alone_speaks_where_sureness_is_all(members, batch):
    """At a sharpness at which no share by itself could be told from 0."""
    mixed = Mixture(members[:3], [1.0, 1.0, 1.0], "mean", 500.0)
    with torch.no_grad():
        found = torch.log_softmax(mixed(**batch).logits[:, -1].float(), -1)
        each = [torch.log_softmax(m(**batch).logits[:, -1].float(), -1) for m in members[:3]]
    unsure = torch.stack([-(e.exp() * e).sum(-1) for e in each])
    assert found.isfinite().all()
    for row, one in enumerate(unsure.argmin(0).tolist()):
        assert torch.allclose(found[row].exp(), each[one][row].exp(), atol=1e-3)
