"""Contracts of keys: every setting that matters, and nothing else."""

from __future__ import annotations

from pathlib import Path

from w2s_toolkit.testing.bench import Bench
from w2s_toolkit.testing.breach import breach, does_not_apply
from w2s_toolkit.testing.files import plain_copy
from w2s_toolkit.testing.subject import Subject
from w2s_toolkit.testing.vary import with_value


class KeyContract(Subject):
    """What a component puts into the keys of its stages."""

    def test_key_is_the_same_in_another_process(self, bench: Bench) -> None:
        """Keys depend on no hash seed, address, time or working directory."""
        here, there = self._identity(bench, None), self._light(bench)["identity"]
        if here != there:
            breach(
                "the same config gives the same key in every process",
                f"{here[:12]} here, {there[:80]} in another process with another PYTHONHASHSEED",
                "leave sets, hash(), id(), times and relative paths out of key_parts and fingerprint",
            )

    def test_every_field_changes_the_key_unless_neutral(self, bench: Bench) -> None:
        """Each field of the config enters the key, but for those marked ``NEUTRAL``, which do not."""
        silent, loud, stuck = [], [], []
        for variation in self._variations(bench):
            if variation.name in self.fixed:
                continue
            usable = self._usable(bench, variation)
            if not usable and variation.marker in ("model", "split"):
                continue  # the config refuses any other name, so the field cannot change
            if not usable:
                stuck.append(variation.name)
                continue
            before = self._identity(bench, variation.before)
            moved = [self._identity(bench, after) != before for after in usable]
            if variation.marker == "neutral" and any(moved):
                loud.append(variation.name)
            elif variation.marker != "neutral" and not any(moved):
                silent.append(variation.name)
        if silent:
            breach(
                "every setting that can change a result changes the key of its stage",
                f"another value leaves the key as it is: {', '.join(silent)}",
                "do not remove it in key_parts; mark it NEUTRAL if it can change no result",
            )
        if loud:
            breach(
                "neutral settings leave the key as it is",
                f"the key changes with {', '.join(loud)}",
                "remove it in key_parts, or do not mark it NEUTRAL",
            )
        if stuck:
            breach(
                "every field of the config is varied by this test",
                f"no other valid value could be made up for {', '.join(stuck)}",
                f"give one: other_values = {{{stuck[0]!r}: ...}}; or say why there is none: "
                f"fixed = {{{stuck[0]!r}: 'reason'}}",
            )

    def test_input_files_enter_the_key_by_content(self, bench: Bench) -> None:
        """Moved files give the same key, and one changed byte another."""
        config = bench.config()
        uses = [*config.uses("path"), *config.uses("path_or_id")]
        there = [use for use in uses if Path(str(use.value)).exists()]
        if not there:
            does_not_apply("its config names no file")
        for use in there:
            at = tuple(map(str, use.location))
            before = self._identity(bench, None)
            for copied, equal in ((plain_copy, True), (self.changed_copy, False)):
                path = copied(str(use.value), bench.folder("moved"))
                model = bench.registry.config_model(bench.component)
                after = self._identity(bench, with_value(model, bench.values, at, path))
                if (after == before) is not equal:
                    breach(
                        "input files enter the key by their content, never by their path",
                        f"{'.'.join(at)}: "
                        + ("a copy elsewhere changes the key" if equal else "one byte does not"),
                        "annotate the field as InputPath, or digest its files in key_parts",
                    )
