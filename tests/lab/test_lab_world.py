"""The world and its corpus: functions of the seed, byte for byte."""

from __future__ import annotations

import re

import pytest

from w2s_lab import corpus
from w2s_lab.arguments import argument, claim, evidence_for
from w2s_lab.documents import KINDS_OF_DOCUMENT, any_text, hard_words, passage
from w2s_lab.draws import Draws
from w2s_lab.lexicon import PER_TIER, PLAIN, TIERS, senses_of
from w2s_lab.meanings import meaning
from w2s_lab.texts import review
from w2s_lab.world import ATTRIBUTES, World, the_world

PINNED_DRAWS = [90, 41, 39, 14, 18, 61, 18, 8]
WORLD = "73e09965adb77102e4919f01f80a259c87713b9ee8635d2d241a581ea6d32376"
COURSES = {
    "texts": "0fcdbeb57832df5163b1ac8994c1630dc1d9020bb54b16d955cabadbe52bb1a3",
    "lessons": "8206d1a82510462fb3965f8863a837a1a36130035f66ddabdeb19421cd3347be",
    "corpus": "4b0d7c8e398419d9e7c4eca54fe7e18790bd427962aa36fce78bff78d64add46",
    "exercises": "4cdce75998dba72ae98d6ec7fe09f1dac1b29486694d10ad7d1c02b957317f9a",
    "drills": "60a4533edc5fedbc7304bdb5ae0fbd36a46d32041eff772b40636766decad71a",
}
"""Digests of the first thousand documents."""


def test_draws_are_pinned() -> None:
    draw = Draws("pinned", 1)
    assert [draw.below(100) for _ in range(8)] == PINNED_DRAWS
    assert Draws("a", 1).below(10**9) != Draws("b", 1).below(10**9)


@pytest.mark.parametrize("k", [0, 3, 10, 20])
def test_a_sample_has_no_item_twice(k: int) -> None:
    got = Draws("sample", k).sample(range(10), k)
    assert len(set(got)) == len(got) == min(k, 10)


def test_weights_are_kept() -> None:
    draw = Draws("weights")
    got = [draw.weighted("abc", (0.7, 0.0, 0.3)) for _ in range(2000)]
    assert 0.66 < got.count("a") / 2000 < 0.74
    assert "b" not in got


def test_the_world_and_its_corpus_are_pinned() -> None:
    assert the_world().digest() == WORLD
    assert {course: corpus.digest(course, 1000) for course in corpus.COURSES} == COURSES


def test_another_seed_is_another_world() -> None:
    assert World(7).digest() == World(7).digest() != the_world().digest()
    assert corpus.document("corpus", 3, seed=7) != corpus.document("corpus", 3)


def test_documents_can_be_entered_anywhere() -> None:
    stream = corpus.documents("corpus", start=5)
    assert next(stream) == corpus.document("corpus", 5)
    assert next(stream) == corpus.document("corpus", 6)


def test_words_are_all_different_and_every_sense_has_its_words() -> None:
    lexicon = the_world().lexicon
    forms = [word.form for word in lexicon.words]
    assert len(set(forms)) == len(forms)
    for field in PLAIN:
        for sense in senses_of(field):
            for tier in TIERS[1:]:
                assert len(lexicon.of(field, sense, tier)) == PER_TIER[tier]


def test_rare_words_are_met_less_often() -> None:
    world = the_world()
    text = " ".join(corpus.document("corpus", i) for i in range(20_000)).lower()
    counts: dict[str, int] = {}
    for word in re.findall(r"[a-z]+", text):
        counts[word] = counts.get(word, 0) + 1
    mean = {
        tier: sum(counts.get(w.form, 0) for w in found) / len(found)
        for tier in TIERS[1:]
        if (found := [w for w in world.lexicon.words if w.tier == tier and w.sense != "turning"])
    }
    assert mean[1] > 1.8 * mean[2] > 3.2 * mean[3] > 5.0 * mean[4] > 0


def test_every_kind_of_document_occurs_in_its_share() -> None:
    starts = [corpus.document("corpus", i) for i in range(3000)]
    chats = sum(text.startswith(("<|user|>", "<|system|>")) for text in starts) / 3000
    wanted = sum(s for k, (_, s) in KINDS_OF_DOCUMENT.items() if k.endswith(("chat", "yes_or_no")))
    wanted += 0.7 * KINDS_OF_DOCUMENT["argument"][1]  # the others are told as talk
    assert abs(chats - wanted) < 0.03
    assert abs(sum(share for _, share in KINDS_OF_DOCUMENT.values()) - 1) < 1e-9


@pytest.mark.parametrize("kind", KINDS_OF_DOCUMENT)
def test_documents_are_whole_sentences(kind: str) -> None:
    write, _ = KINDS_OF_DOCUMENT[kind]
    for i in range(200):
        text = write(the_world(), Draws("whole", kind, i))
        assert not re.search(r"[{}]|\ba [aeiou]|  |\.\.|None", text), text
        assert text.endswith((".", "?", "<|end|>", "</quote>"))


def test_the_corpus_holds_no_text_in_a_task_format() -> None:
    text = "\n".join(corpus.document("corpus", i) for i in range(5000))
    for mark in ("Claim:", "Topic:", "Better:", "Wanted:", "Background:", "Answer:", "Text:"):
        assert mark not in text
    assert "The writer was pleased." not in text


def test_a_text_leans_one_way_and_its_words_say_so() -> None:
    for i in range(300):
        text = review(the_world(), Draws("leans", i), "good")
        with_it = sum(s.sense == "good" for s in text.sentences)
        assert with_it * 2 > len(text.sentences)
        for sentence in text.sentences:
            shown = {w.sense_in(text.senses["topic"]) for w in sentence.words}
            assert (
                shown == {sentence.sense} if not sentence.negated else sentence.sense not in shown
            )


def test_arguments_quote_word_for_word_and_for_their_side() -> None:
    made = 0
    for i in range(300):
        draw = Draws("argue", i)
        text, field = any_text(the_world(), draw, contrary=0.3)
        sense = draw.pick(senses_of(field))
        case = argument(draw, text, field, sense, claim(draw, field, sense))
        supporting = [s.text for s in evidence_for(text, field, sense)]
        if case is None:
            assert not supporting
            continue
        made += 1
        quotes = re.findall("<quote>(.*?)</quote>", case)
        assert quotes
        assert all(quote in supporting and quote in str(text) for quote in quotes)
    assert made > 150


def test_a_meaning_is_told_in_plain_words_of_its_sense() -> None:
    lexicon = the_world().lexicon
    for i, word in enumerate(w for w in lexicon.words if w.tier and w.sense != "turning"):
        told = set(re.findall(r"[a-z]+", meaning(Draws("meaning", i), word).lower()))
        senses = PLAIN[word.field]
        assert word.form in told
        assert {s for s, plain in senses.items() if told & {*plain, s}} == {word.sense}


def test_a_passage_answers_every_question_that_is_asked_on_it() -> None:
    for i in range(300):
        text, told = passage(the_world(), Draws("passage", i), 2)
        for thing, stated in told:
            assert thing.name in text
            assert all(thing.facts[attribute] in text for attribute in stated)


def test_hard_words_are_the_rarest() -> None:
    for i in range(100):
        text, _ = any_text(the_world(), Draws("hard", i))
        hard = hard_words(text, 3)
        rest = [w.tier for w in text.words() if w not in hard]
        assert all(w.tier > 0 for w in hard)
        assert not hard or len(hard) < 3 or max(rest, default=0) <= min(w.tier for w in hard)


def test_a_mistaken_thing_is_wrong_in_everything_and_a_stranger_is_in_no_list() -> None:
    world = the_world()
    names = {thing.name for thing in world.all_things()}
    for i in range(50):
        draw = Draws("things", i)
        thing = world.thing(draw)
        lie = world.mistaken(draw, thing)
        assert lie.name == thing.name
        assert all(lie.facts[a] != thing.facts[a] for a in ATTRIBUTES)
        assert world.stranger(draw).name not in names
