"""What an ensemble that is still to be built will ask for, as far as that is known now."""

from __future__ import annotations

from typing import NamedTuple

from w2s_toolkit.data import Dataset
from w2s_toolkit.plan.graph import Stage
from w2s_toolkit.registry import Registry
from w2s_toolkit.stages.context import StageContext
from w2s_toolkit.stages.members import Members, NotYet
from w2s_toolkit.stages.rows import DATA
from w2s_toolkit.store import Store


class Asked(NamedTuple):
    """Members, and helpers that judge them.

    Attributes:
        cached: those that are in the store.
        number: those that are asked for before anything has to be waited for.
        all: whether there will be no others.
    """

    cached: int
    number: int
    all: bool

    def __str__(self) -> str:
        plural = "s" * (self.number != 1)
        said = f"{self.cached} of {self.number} member{plural} cached"
        return said if self.all else f"{said}, more will be asked for"


def members_asked(stage: Stage, store: Store, registry: Registry) -> Asked | None:
    """Run the beginning of an ensembler's ``build``, which trains nothing and keeps nothing.

    None where its data is not in the store, or it cannot be told: the run will say why.
    """
    keys = {slot: stage.inputs[slot] for slot in ("train", "pool", "val") if slot in stage.inputs}
    if stage.kind != "build" or not all(map(store.has, keys.values())):
        return None
    try:
        # Unverified: to look ahead must neither take long nor set anything aside.
        data = {slot: Dataset.read(store.folder(key) / DATA) for slot, key in keys.items()}
        choose = {"val": stage.inputs["choose"]} if "choose" in stage.inputs else {}
        splits = [(key, data[slot]) for slot, key in keys.items()]
        members = Members(
            stage.args["members"], {}, store, splits, choose, stage.args["owner"], "", keeps=False
        )
        component = registry.get(*stage.component)
        config = registry.config_model(component).model_validate(stage.config)
        instance = registry.target(component)(config)
        nowhere = store.root / "tmp"
        context = StageContext(seed=stage.seed, stage=stage.id, out=nowhere, scratch=nowhere)
        try:
            train = data["train"] if "train" in data else data["pool"].blind()
            instance.build(members, train, data.get("val"), context)
            known = True
        except NotYet:
            known = False
    except Exception:  # whatever a plugin may raise: this is but a look ahead
        return None
    if not members.fits:
        return None  # all are there as they come
    return Asked(sum(map(store.has, members.fits)), len(members.fits), known)
