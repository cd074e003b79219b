from __future__ import annotations

import json
import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from w2s_tasks.config import TableConfig
from w2s_tasks.table import Table
from w2s_toolkit.digest import Digests
from w2s_toolkit.errors import DataError
from w2s_toolkit.readers import read_rows

ROWS = [
    {"question": "is it so?", "answer": "well, yes", "label": 1},
    {"question": 'say "no"\nthen', "answer": "größe 🙂", "label": 0},
]
PLAIN = {"template": "Q: {question} A: {answer}", "choices": ("no", "yes")}
PROMPTS = ["Q: is it so? A: well, yes", 'Q: say "no"\nthen A: größe 🙂']


def error_of(load, **keys) -> DataError:
    with pytest.raises(DataError) as caught:
        load("table", **{**PLAIN, **keys})
    assert caught.value.next_step
    return caught.value


def key_of(**keys):
    return TableConfig(**{**PLAIN, **keys}).key_parts(Digests())


@pytest.mark.parametrize("ending", ["jsonl", "json", "csv", "parquet"])
def test_every_format_gives_the_same_rows(tmp_path, write, load, ending):
    data, sources = load("table", path=str(write(tmp_path / f"rows.{ending}", ROWS)), **PLAIN)
    assert data.feeds == {"test": "data", "val": "data", "*": "data"}
    assert data.info.kind == "classification" and data.info.classes == ("no", "yes")
    assert [r.prompt for r in sources["data"]] == PROMPTS
    assert [r.gold for r in sources["data"]] == [1, 0]
    assert all(r.choices == ("no", "yes") and r.group == "" for r in sources["data"])


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r\x00")), min_size=1))
def test_any_text_survives_jsonl_and_csv(tmp_path, write, texts):
    rows = [{"text": t, "n": str(i)} for i, t in enumerate(texts)]
    for ending in ("jsonl", "csv"):
        path = write(tmp_path / f"any.{ending}", rows)
        assert [r.values for r in read_rows(path)] == rows


def test_line_separators_stay_inside_a_text(tmp_path, write):
    rows = [{"t": "a\u2028b\u0085c\x0bd", "label": 0}, {"t": "e", "label": 1}]
    read = list(read_rows(write(tmp_path / "a.jsonl", rows)))
    assert [r.values for r in read] == rows
    assert [r.line for r in read] == [1, 2]


def test_byte_order_mark_blank_lines_and_windows_line_ends(tmp_path):
    for name, text in (
        ("a.csv", "t,label\r\n\r\nx,1\r\ny,0\r\n"),
        ("a.jsonl", '{"t": "x", "label": "1"}\r\n\r\n{"t": "y", "label": "0"}\r\n'),
    ):
        (tmp_path / name).write_bytes(b"\xef\xbb\xbf" + text.encode())
        read = list(read_rows(tmp_path / name))
        assert [dict(r.values) for r in read] == [
            {"t": "x", "label": "1"},
            {"t": "y", "label": "0"},
        ]


def test_folder_with_hub_names_and_shards(tmp_path, write, load):
    write(tmp_path / "train-00001-of-00002.parquet", ROWS[1:])
    write(tmp_path / "train-00000-of-00002.parquet", ROWS[:1])
    write(tmp_path / "dev.jsonl", ROWS[:1])
    (tmp_path / "README.md").write_text("not data")
    data, sources = load("table", path=str(tmp_path), **PLAIN)
    assert [r.prompt for r in sources["train"]] == PROMPTS
    assert data.feeds == {"test": "validation", "val": "train", "*": "train"}


def test_mapping_of_sources_and_own_feeds(tmp_path, write, load):
    paths = {name: str(write(tmp_path / f"{name}.csv", ROWS)) for name in ("easy", "hard")}
    data, sources = load(
        "table", path=paths, feeds={"test": "hard", "*": "easy", "val": "easy"}, **PLAIN
    )
    assert data.feeds == {"test": "hard", "*": "easy", "val": "easy"}
    assert set(sources) == {"easy", "hard"}


def test_sources_that_feed_nothing_are_not_opened(tmp_path, write, load):
    write(tmp_path / "train.jsonl", ROWS)
    (tmp_path / "broken.jsonl").write_text("no JSON")
    assert set(load("table", path=str(tmp_path), **PLAIN)[1]) == {"train"}


def test_rows_are_read_as_they_are_asked_for(tmp_path, write, ctx):
    path = write(tmp_path / "rows.jsonl", ROWS)
    with path.open("a") as file:
        file.write("broken\n")
    rows = iter(Table(TableConfig(path=str(path), **PLAIN)).load(ctx).sources["data"])
    assert [next(rows).gold, next(rows).gold] == [1, 0]
    with pytest.raises(DataError, match=r"rows.jsonl:3: this line is not JSON"):
        next(rows)


@pytest.mark.parametrize(
    ("raw", "gold"),
    [(0, 0), (1, 1), ("1", 1), ("yes", 1), (" no ", 0), (True, 1), ("False", 0), (1.0, 1)],
)
def test_spellings_of_a_label(tmp_path, write, load, raw, gold):
    path = write(tmp_path / "a.jsonl", [{**ROWS[0], "label": raw}])
    assert load("table", path=str(path), **PLAIN)[1]["data"][0].gold == gold


@pytest.mark.parametrize("raw", [2, -1, "maybe", "", None, 0.5, float("nan"), ["yes"], "ye"])
def test_value_that_is_no_label_names_line_and_value(tmp_path, write, load, raw):
    path = write(tmp_path / "a.jsonl", [ROWS[0], {**ROWS[1], "label": raw}])
    error = error_of(load, path=str(path))
    assert error.where == f"{path}:2"
    assert repr(raw) in error.what
    assert ("did you mean 'yes'" in error.what) == (raw in ("ye", ["yes"]))


def test_true_is_not_taken_for_no(tmp_path, write, load):
    path = write(tmp_path / "a.jsonl", [{**ROWS[0], "label": True}])
    assert "True" in error_of(load, path=str(path), choices=("yes", "no")).what
    data = load("table", path=str(path), **{**PLAIN, "choices": ("True", "False")})[1]["data"]
    assert data[0].gold == 0


def test_label_map(tmp_path, write, load):
    path = write(tmp_path / "a.jsonl", [{**ROWS[0], "label": v} for v in (0, 2, "True", "n/a")])
    names = {0: "a", "2": "b", True: "c", "n/a": "a"}
    keys = {**PLAIN, "choices": ("a", "b", "c"), "label_map": names}
    assert [r.gold for r in load("table", path=str(path), **keys)[1]["data"]] == [0, 1, 2, 0]
    again = TableConfig.model_validate(
        json.loads(TableConfig(path=str(path), **keys).model_dump_json())
    )
    assert again.key_parts(Digests()) == key_of(path=str(path), **keys)


def test_value_outside_the_map_is_an_error(tmp_path, write, load):
    path = write(tmp_path / "a.jsonl", ROWS)
    assert "holds 0" in error_of(load, path=str(path), label_map={1: "yes"}).what


def test_group_by_column_or_template(tmp_path, write, load):
    path = str(write(tmp_path / "a.jsonl", ROWS))
    for group, expected in (("question", "is it so?"), ("{label}/{answer}", "1/well, yes")):
        assert load("table", path=path, group=group, **PLAIN)[1]["data"][0].group == expected


def test_unknown_column_is_reported_at_once_with_the_columns(tmp_path, write, ctx):
    path = write(tmp_path / "a.csv", ROWS)
    config = TableConfig(path=str(path), template="{qestion}", choices=("no", "yes"))
    with pytest.raises(DataError) as caught:
        Table(config).load(ctx)
    assert "'qestion' (did you mean 'question'?)" in caught.value.what
    assert caught.value.where == f"{path}:2"
    assert "'question', 'answer', 'label'" in caught.value.next_step


def test_ids_of_its_own(tmp_path, write, load):
    path = write(
        tmp_path / "a.jsonl", [{**r, "key": k} for r, k in zip(ROWS, (7, "x"), strict=True)]
    )
    rows = load("table", path=str(path), id_column="key", **PLAIN)[1]["data"]
    assert [r.id for r in rows] == ["7", "x"]


def test_repeated_id_names_both_rows(tmp_path, write, load):
    write(tmp_path / "train.jsonl", [{**ROWS[0], "key": "x"}])
    write(tmp_path / "test.jsonl", [{**ROWS[1], "key": "x"}])
    error = error_of(load, path=str(tmp_path), id_column="key")
    assert {error.where, error.what.split("that of ")[1]} == {
        f"{tmp_path}/train.jsonl:1",
        f"{tmp_path}/test.jsonl:1",
    }


def test_blank_id_is_an_error(tmp_path, write, load):
    path = write(tmp_path / "a.jsonl", [{**ROWS[0], "key": ""}])
    assert "blank" in error_of(load, path=str(path), id_column="key").what


def test_blank_texts_are_kept_and_counted(tmp_path, write, load, ctx):
    path = write(tmp_path / "a.jsonl", [ROWS[0], {"question": " ", "answer": None, "label": 0}])
    assert len(load("table", path=str(path), **PLAIN)[1]["data"]) == 2
    assert ctx.counters["blank_text"] == 1
    assert "1 of 2 rows of data" in ctx.warnings[0]["message"]


def write_bytes(path, content):
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("name", "content", "line", "says"),
    [
        ("a.jsonl", b"", None, "no rows"),
        ("a.csv", b"question,answer,label\n", None, "no rows"),
        ("a.jsonl", b'{"question": "x", "answer"\n', 1, "not JSON"),
        ("a.jsonl", b'[{"question": "x"}]\n', 1, "JSON array"),
        ("a.jsonl", b'\n\n{"question": "caf\xe9"}\n', 3, "not UTF-8: byte 0xe9"),
        ("a.csv", b"question,answer,label\nx,caf\xe9,1\n", 2, "not UTF-8: byte 0xe9"),
        ("a.csv", b'question,answer,label\nx,y,1\n"x\n', 3, "not a CSV row"),
        ("a.csv", b"question,answer,label\nx,y\n", 2, "2 values for 3 columns"),
        ("a.csv", b'question,answer,label\n"a\nb",y,1\nx\n', 4, "1 values for 3 columns"),
        ("a.csv", b"question,label,label\nx,y,1\n", 1, "'label' occur more than once"),
        ("a.jsonl", b'{"question": "\\ud800", "answer": "", "label": 1}\n', 1, "surrogate"),
        ("a.jsonl", b'{"question": ["x"], "answer": "", "label": 1}\n', 1, "holds a list"),
        ("a.parquet", b"PAR1 no", None, "not a Parquet file"),
        ("a.xlsx", b"", None, "'.xlsx' cannot be read"),
    ],
)
def test_bad_files_say_where(tmp_path, load, name, content, line, says):
    path = write_bytes(tmp_path / name, content)
    error = error_of(load, path=str(path))
    assert error.where == (f"{path}:{line}" if line else str(path))
    assert says in error.what


def test_missing_file_and_empty_folder(tmp_path, load):
    assert "no such file" in error_of(load, path=str(tmp_path / "nowhere.csv")).what
    assert "no files at all" in error_of(load, path=str(tmp_path)).what


def test_two_files_for_one_split(tmp_path, write, load):
    write(tmp_path / "train.jsonl", ROWS)
    write(tmp_path / "train.csv", ROWS)
    assert "train.csv, train.jsonl" in error_of(load, path=str(tmp_path)).what


def test_several_sources_without_usual_names_need_feeds(tmp_path, write, load):
    for name in ("naive", "helped"):
        write(tmp_path / f"{name}.jsonl", ROWS)
    error = error_of(load, path=str(tmp_path))
    assert "helped, naive" in error.what and '{"*": helped}' in error.next_step
    assert set(load("table", path=str(tmp_path), feeds={"*": "naive"}, **PLAIN)[1]) == {"naive"}


def test_feed_from_an_unknown_source(tmp_path, write, load):
    write(tmp_path / "train.jsonl", ROWS)
    error = error_of(load, path=str(tmp_path), feeds={"test": "trian"})
    assert "did you mean 'train'" in error.what


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({}, "either `path`"),
        ({"path": "a.csv", "id": "a/b"}, "either `path`"),
        ({"path": "a.csv", "revision": "main"}, "go with `id`"),
        ({"path": "a.csv", "template": "{"}, "`template`: a lone '{'"),
        ({"path": "a.csv", "template": "x"}, "names no column"),
        ({"path": "a.csv", "group": "{}"}, "`group`"),
        ({"path": "a.csv", "choices": ("a", "a")}, "different names"),
        ({"path": "a.csv", "choices": ("1", "2")}, "label_map"),
        ({"path": "a.csv", "label_map": {0: "nein"}}, "nein"),
    ],
)
def test_config_problems_are_found_without_data(keys, says):
    (problem,) = TableConfig(**{**PLAIN, **keys}).check()
    assert says in problem


def test_good_config_has_no_problems():
    assert TableConfig(path="a.csv", **PLAIN).check() == []


def test_key_holds_content_not_place(tmp_path, write):
    write(tmp_path / "a" / "train.jsonl", ROWS)
    (tmp_path / "a" / "notes.txt").write_text("x")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    write(tmp_path / "b" / "unused.jsonl", ROWS)
    (tmp_path / "b" / "notes.txt").write_text("changed")
    first = key_of(path=str(tmp_path / "a"))
    assert key_of(path=str(tmp_path / "b")) == first
    assert str(tmp_path) not in json.dumps(first)
    write(tmp_path / "b" / "train.jsonl", ROWS[:1])
    assert key_of(path=str(tmp_path / "b")) != first


def test_key_knows_which_source_a_file_is(tmp_path, write):
    one, two = (str(write(tmp_path / f"{n}.jsonl", ROWS[i:])) for i, n in enumerate("ab"))
    assert key_of(path={"train": one, "test": two}) != key_of(path={"train": two, "test": one})


@pytest.mark.parametrize(
    "change", [{"template": "{question}"}, {"group": "question"}, {"question": "?"}]
)
def test_key_knows_every_setting(tmp_path, write, change):
    path = str(write(tmp_path / "a.jsonl", ROWS))
    assert key_of(path=path, **change) != key_of(path=path)


def test_paths_are_found_by_the_recipe_loader():
    nested = TableConfig(path={"train": "a.csv", "test": "b.csv"}, **PLAIN)
    assert [use.location for use in nested.uses("path")] == [("path", "train"), ("path", "test")]
    assert [use.value for use in TableConfig(path="a.csv", **PLAIN).uses("path")] == ["a.csv"]


@pytest.mark.models
def test_boolq_as_a_table(shared_data, load):
    _, sources = load(
        "table",
        path=shared_data("boolq"),
        template="{passage}\n\n{question}?",
        choices=("no", "yes"),
        label="answer",
        group="passage",
    )
    assert {name: len(rows) for name, rows in sources.items()} == {
        "train": 2000,
        "validation": 1270,
    }
    assert 0.5 < sum(r.gold for r in sources["train"]) / 2000 < 0.7


@pytest.mark.models
def test_four_emotions_as_a_table(shared_data, load):
    _, sources = load(
        "table",
        path=shared_data("tweet_eval_emotion"),
        template="{text}",
        choices=("anger", "joy", "optimism", "sadness"),
    )
    assert {r.gold for r in sources["test"]} == {0, 1, 2, 3}


PAIRED = {
    "template": "{first} | {second}",
    "choices": ("A", "B"),
    "better": "chosen",
    "worse": "rejected",
}


def test_pairs_are_shown_in_an_order_that_tells_nothing(tmp_path, write, load):
    rows = [{"chosen": f"good {i}", "rejected": f"bad {i}"} for i in range(60)]
    turned = [{"chosen": r["rejected"], "rejected": r["chosen"]} for r in rows]
    made = []
    for name, some in (("rows", rows), ("turned", turned)):
        path = str(write(tmp_path / f"{name}.jsonl", some))
        made.append(load("table", path=path, **PAIRED)[1]["data"])
    for row, source in zip(made[0], rows, strict=True):
        assert row.prompt.split(" | ")[row.gold] == source["chosen"]
        assert sorted(row.prompt.split(" | ")) == sorted(source.values())
    assert [r.prompt for r in made[0]] == [r.prompt for r in made[1]]
    assert [r.gold for r in made[0]] == [1 - r.gold for r in made[1]]
    assert 15 < sum(r.gold for r in made[0]) < 45


def test_faults_of_pairs_are_told(tmp_path, write, load):
    path = str(write(tmp_path / "rows.jsonl", [{"chosen": "x", "rejected": "y"}]))

    def problems(**keys):
        return TableConfig(**{**PAIRED, "path": path, **keys}).check()

    assert problems() == []
    assert "give both" in problems(worse=None)[0]
    assert "two `choices`" in problems(choices=("A", "B", "C"))[0]
    with pytest.raises(DataError, match=r"no column 'choosen'.*did you mean 'chosen'"):
        load("table", path=path, **{**PAIRED, "better": "choosen"})


def test_rows_without_pairs_have_the_key_they_had(tmp_path, write):
    path = str(write(tmp_path / "rows.jsonl", ROWS))
    assert not {"better", "worse"} & set(key_of(path=path))
