"""Made-up reviews in plain English: texts that a model of any size can learn from within seconds.

Opinions are spread over many words, some common and some rare, so that a model that knows the
language reads reviews which a model trained on a few hundred of them cannot.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

ROWS = 2400
SEED = 20260

THINGS = (
    "kettle|lamp|tent|raincoat|bicycle pump|notebook|desk chair|radio|frying pan|backpack|umbrella|"
    "alarm clock|guitar stand|pair of boots|hotel room|train ride|cooking class|museum tour|camera|"
    "bread knife|garden hose|sleeping bag|bookshelf|toaster|board game|pillow|bicycle light|wallet|"
    "picnic at the lake|boat trip"
).split("|")

GOOD = (
    "great|lovely|wonderful|excellent|superb|delightful|splendid|marvellous|first-rate|charming|"
    "brilliant|outstanding|pleasant|terrific|fantastic|admirable|exquisite|faultless|stellar|"
    "a joy|a treat|a gem|a triumph|a bargain|worth every penny|just what I wanted|a pleasure to use|"
    "better than I hoped|beyond praise|sturdy and clever|beautifully made|a keeper|top quality|"
    "impeccable|magnificent|heavenly|a real find|refreshingly good|thoughtfully designed|spot on"
).split("|")

BAD = (
    "bad|awful|terrible|dreadful|poor|horrible|shoddy|useless|disappointing|miserable|lousy|"
    "a letdown|a waste of money|a nuisance|a disgrace|flimsy|broken within a week|not worth it|"
    "a regret|rubbish|unpleasant|appalling|abysmal|mediocre at best|a headache|badly made|"
    "overpriced junk|worse than I feared|beneath contempt|clumsy and fragile|atrocious|a fiasco|"
    "infuriating|deplorable|a lemon|tiresome|sloppily designed|a total flop|dismal|subpar"
).split("|")

OPENINGS = (
    "The {thing} is {word}.|I bought the {thing} last month and it is {word}.|"
    "My sister gave us the {thing}; honestly, {word}.|What can I say about the {thing}? It was {word}.|"
    "After two weeks with the {thing} I would call it {word}.|For me the {thing} turned out {word}.|"
    "Everyone at home agrees that the {thing} was {word}."
).split("|")

FILLERS = (
    "It arrived on a Tuesday.|We used it twice.|The colour is dark green.|It came in a plain box.|"
    "My brother has one too.|I paid with a card.|We found it near the station.|"
    "It is about as large as I thought.|There is a leaflet in three languages.|I wrote this at home."
).split("|")

CONCESSIONS = (
    "Some people may say it is {other}, but I do not.|A friend had warned me it would be {other}; not so.|"
    "I had read that it was {other}."
).split("|")


def rows(seed: int = SEED, number: int = ROWS) -> Iterator[dict[str, str]]:
    """Rows with ``text`` and ``opinion``, half of each opinion in random order."""
    draw = random.Random(seed)
    opinions = ["negative", "positive"] * (number // 2)
    draw.shuffle(opinions)
    for opinion in opinions:
        own, other = (GOOD, BAD) if opinion == "positive" else (BAD, GOOD)
        parts = [
            draw.choice(OPENINGS).format(thing=draw.choice(THINGS), word=_word(draw, own)),
            draw.choice(FILLERS),
        ]
        if draw.random() < 0.25:
            parts.append(draw.choice(CONCESSIONS).format(other=_word(draw, other)))
        if draw.random() < 0.35:
            parts.append(f"All in all {_word(draw, own)}.")
        head, *rest = parts
        draw.shuffle(rest)
        yield {"text": " ".join([head, *rest]), "opinion": opinion}


def _word(draw: random.Random, words: list[str]) -> str:
    """Early words are common, late ones rare."""
    return words[int(len(words) * draw.random() ** 1.4)]
