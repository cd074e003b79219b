"""What a model knows: readable properties, recall, reading, quoting.

Every probe is a function of model folder and seed; model cards hold what they gave.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from w2s_lab import facts
from w2s_lab.arguments import claim, evidence_for
from w2s_lab.chat import CLOSE_QUOTE, OPEN_QUOTE
from w2s_lab.documents import ABOUT_THING, ABOUT_WORD, ARGUE, any_text
from w2s_lab.draws import Draws
from w2s_lab.lexicon import PLAIN, TIERS, Word, senses_of
from w2s_lab.texts import Text, report, review
from w2s_lab.world import ATTRIBUTES, COLORS, KINDS, SCENTS, SEED, THINGS, Thing, World, the_world

Figures = dict[str, float]


class Reader:
    """A model of the family, opened for questions."""

    def __init__(self, folder: Path, device: str = "cpu") -> None:
        from transformers import AutoModelForCausalLM, AutoTokenizer

        self.tokenizer: Any = AutoTokenizer.from_pretrained(folder, padding_side="left")
        self.model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
        self.model.to(device).eval()

    def answers(
        self, questions: Sequence[str], most: int = 40, batch: int = 64, beams: int = 1
    ) -> list[str]:
        """What the model replies to each as the assistant of a chat: greedily, or by beam search."""
        said = list[str]()
        for start in range(0, len(questions), batch):
            chats = [[{"role": "user", "content": q}] for q in questions[start : start + batch]]
            texts = self.tokenizer.apply_chat_template(
                chats, tokenize=False, add_generation_prompt=True
            )
            given = self.tokenizer(
                texts, return_tensors="pt", padding=True, add_special_tokens=False
            ).to(self.model.device)
            given.pop("token_type_ids", None)
            with torch.inference_mode():
                out = self.model.generate(
                    **given, max_new_tokens=most, do_sample=False, num_beams=beams
                )
            made = out[:, given["input_ids"].shape[1] :]
            said += self.tokenizer.batch_decode(made, skip_special_tokens=True)
        return said

    def features(self, texts: Sequence[str], batch: int = 64) -> Any:
        """Mean of the last hidden states of each text, (n, width)."""
        rows = []
        for start in range(0, len(texts), batch):
            given = self.tokenizer(
                list(texts[start : start + batch]), return_tensors="pt", padding=True
            ).to(self.model.device)
            given.pop("token_type_ids", None)
            with torch.inference_mode():
                states = self.model.model(**given, use_cache=False).last_hidden_state
            mask = given["attention_mask"][:, :, None]
            rows.append((states * mask).sum(1) / mask.sum(1))
        return torch.cat(rows)


def readable(reader: Reader, field: str, seed: int = 0, rows: int = 1500) -> Figures:
    """Accuracy of a linear probe for the sense of whole texts, by rarity of the words.

    The probe is fitted on texts of all rarities and measured on 400 others of each.
    """
    world = the_world(SEED)
    senses = senses_of(field)

    def sample(name: str, many: int, shares: dict[int, float] | None) -> tuple[list[str], Any]:
        texts, gold = [], []
        for i in range(many):
            draw = Draws("readable", field, name, seed, i)
            gold.append(i % len(senses))
            texts.append(str(shown(world, draw, field, senses[gold[-1]], shares)))
        return texts, torch.tensor(gold)

    texts, gold = sample("train", rows, None)
    head = _logistic(reader.features(texts), gold, len(senses))
    found: Figures = {}
    for tier in TIERS:
        texts, gold = sample(f"tier{tier}", 400, {tier: 1.0})
        found[str(tier)] = (head(reader.features(texts)).argmax(1) == gold).float().mean().item()
    return found


def shown(
    world: World, draw: Draws, field: str, sense: str, shares: dict[int, float] | None = None
) -> Text:
    """A text of the corpus's own kind that has this sense."""
    options: Any = {} if shares is None else {"shares": shares}
    if field == "leaning":
        return review(world, draw, sense, **options)
    if field == "topic":
        return report(world, draw, sense, fields=("topic",), **options)
    return report(world, draw, None, sense, fields=("trust",), **options)


def _logistic(features: Any, gold: Any, classes: int) -> Any:
    mean, std = features.mean(0), features.std(0) + 1e-6
    head = torch.nn.Linear(features.shape[1], classes)
    optimizer: Any = torch.optim.LBFGS(
        head.parameters(), max_iter=200, line_search_fn="strong_wolfe"
    )
    x = (features - mean) / std

    def closure() -> Any:
        optimizer.zero_grad()
        penalty = 1e-3 * head.weight.square().sum()
        loss = torch.nn.functional.cross_entropy(head(x), gold) + penalty
        torch.autograd.backward(loss)
        return loss

    optimizer.step(closure)
    return lambda new: head((new - mean) / std).detach()


def recall(reader: Reader, seed: int = 0, rows: int = 200) -> Figures:
    """Share of questions on known things that are answered rightly, by rarity of the thing."""
    world = the_world(SEED)
    found: Figures = {}
    for tier in THINGS:
        draw = Draws("recall", seed, tier)
        asked = [(draw.pick(world.things[tier]), draw.pick(ATTRIBUTES)) for _ in range(rows)]
        said = reader.answers([facts.question(draw, t, a) for t, a in asked], most=12)
        right = [s.strip() == facts.answer(t, a) for s, (t, a) in zip(said, asked, strict=True)]
        found[str(tier)] = float(np.mean(right))
    return found


def background(reader: Reader, seed: int = 0, rows: int = 100) -> Figures:
    """Share of what is told of a thing that is true, by its rarity, when asked for background.

    A reply that tells nothing counts as one false statement.
    """
    world = the_world(SEED)
    found: Figures = {}
    for tier in THINGS:
        draw = Draws("background", seed, tier)
        things = [draw.pick(world.things[tier]) for _ in range(rows)]
        said = reader.answers([draw.pick(ABOUT_THING).format(x=t.name) for t in things], most=90)
        true = told = 0
        for reply, thing in zip(said, things, strict=True):
            stated = statements(world, reply)
            told += max(1, len(stated))
            true += sum(thing.facts[attribute] == value for attribute, value in stated)
        found[str(tier)] = true / told
    return found


def statements(world: World, text: str) -> list[tuple[str, str]]:
    """Attributes and their values that a text on one thing mentions, in no order."""
    known = {
        "kind": [kind for kinds in KINDS.values() for kind in kinds],
        "color": COLORS,
        "scent": SCENTS,
        "place": world.places,
        "keeper": world.people,
    }
    words = re.findall(r"\w+", text.lower())
    found = {(a, v) for a, values in known.items() for v in values if v.lower() in words}
    return sorted(found | {("price", price) for price in re.findall(r"(\d+) coins", text)})


def meanings(reader: Reader, field: str, seed: int = 0, rows: int = 100) -> Figures:
    """Share of explanations of a word that give its sense and no other, by rarity of the word."""
    world = the_world(SEED)
    found: Figures = {}
    for tier in TIERS[1:]:
        draw = Draws("meanings", field, seed, tier)
        words = [
            draw.pick(world.lexicon.of(field, draw.pick(senses_of(field)), tier))
            for _ in range(rows)
        ]
        said = reader.answers([draw.pick(ABOUT_WORD).format(w=w.form) for w in words], most=24)
        found[str(tier)] = float(np.mean([_means(s, w) for s, w in zip(said, words, strict=True)]))
    return found


def _means(said: str, word: Word) -> bool:
    names = set(re.findall(r"[a-z]+", said.lower()))
    senses = PLAIN[word.field]
    told = {sense for sense, plain in senses.items() if names & {*plain, sense}}
    return word.form in names and told == {word.sense}


def reading(reader: Reader, seed: int = 0, rows: int = 200) -> Figures:
    """Share of questions answered rightly with different passages before them.

    The things are known ones of the two highest rarities. ``none``: no passage. ``true``: its
    description. ``false``: the same with other attributes. ``shuffled``: the description of another
    thing. ``stranger``: a thing that is in no corpus, with its description.
    """
    world = the_world(SEED)
    draw = Draws("reading", seed)
    asked = [(world.thing(draw, {3: 0.5, 4: 0.5}), draw.pick(ATTRIBUTES)) for _ in range(rows)]
    others = [world.thing(draw, {3: 0.5, 4: 0.5}) for _ in range(rows)]
    lies = [world.mistaken(draw, thing) for thing, _ in asked]
    strangers = [world.stranger(draw) for _ in range(rows)]
    about = [facts.question(draw, t, a) for t, a in asked]
    gold = [facts.answer(t, a) for t, a in asked]

    def share(questions: list[str], right: list[str]) -> float:
        said = reader.answers(questions, most=12)
        return float(np.mean([s.strip() == r for s, r in zip(said, right, strict=True)]))

    def after(things: Sequence[Thing]) -> list[str]:
        return [f"{facts.description(draw, t)} {q}" for t, q in zip(things, about, strict=True)]

    unknown = [
        f"{facts.description(draw, t)} {facts.question(draw, t, a)}"
        for t, (_, a) in zip(strangers, asked, strict=True)
    ]
    return {
        "none": share(about, gold),
        "true": share(after([t for t, _ in asked]), gold),
        "false": share(after(lies), gold),
        "shuffled": share(after(others), gold),
        "stranger": share(
            unknown, [facts.answer(t, a) for t, (_, a) in zip(strangers, asked, strict=True)]
        ),
    }


def quoting(reader: Reader, seed: int = 0, rows: int = 150, beams: int = 4) -> Figures:
    """How arguments quote: share of arguments with a quote, of quotes that are verbatim, and of
    verbatim ones that speak for the side argued.

    Arguments are written by beam search. Greedily, a model of this size slips from one sentence of the
    text into a similar one, or takes one relative for another, and cannot go back.
    """
    world = the_world(SEED)
    asked, texts = list[str](), list[tuple[Text, str, str]]()
    number = 0
    while len(asked) < rows:
        draw = Draws("quoting", seed, number)
        number += 1
        text, field = any_text(world, draw, contrary=0.3)
        sense = draw.pick(senses_of(field))
        if evidence_for(text, field, sense):
            asked.append(f"{text} {draw.pick(ARGUE).format(c=claim(draw, field, sense))}")
            texts.append((text, field, sense))
    said = reader.answers(asked, most=90, batch=32, beams=beams)
    pattern = re.compile(re.escape(OPEN_QUOTE) + "(.*?)" + re.escape(CLOSE_QUOTE))
    quoted, verbatim, supports = 0, list[bool](), list[bool]()
    for case, (text, field, sense) in zip(said, texts, strict=True):
        quotes = [quote.strip() for quote in pattern.findall(case)]
        quoted += bool(quotes)
        for quote in quotes:
            verbatim.append(bool(quote) and quote in str(text))
            if verbatim[-1]:
                supports.append(any(quote in s.text for s in evidence_for(text, field, sense)))
    return {
        "arguments_with_quote": quoted / rows,
        "verbatim": float(np.mean(verbatim or [False])),
        "supporting": float(np.mean(supports or [False])),
    }


def examine(folder: Path, seed: int = 0) -> dict[str, Figures]:
    """All probes of one model."""
    reader = Reader(folder)
    found = {f"readable_{field}": readable(reader, field, seed) for field in PLAIN}
    found |= {f"meaning_{field}": meanings(reader, field, seed) for field in PLAIN}
    return found | {
        "recall": recall(reader, seed),
        "background": background(reader, seed),
        "reading": reading(reader, seed),
        "quoting": quoting(reader, seed),
    }
