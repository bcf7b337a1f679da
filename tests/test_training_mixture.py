"""Mixtures: what names mean, how many rows each component gives, that a seed decides which, the paper's arms and the controls, and streaming."""

from __future__ import annotations

import itertools
import json
import math
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from conftest import ROOT
from training_fixtures import example, tone, write_dataset

from cp_paraling_qa.errors import ClipLengthError, DatasetError, RecipeError, TrainingError
from cp_paraling_qa.training.mixing.components import ARMS, component, configs_of, entries, plan_of
from cp_paraling_qa.training.mixing.mixture import load_pool, training_rows
from cp_paraling_qa.training.mixing.pieces import _counted
from cp_paraling_qa.training.mixing.shares import picked, rounded, shares
from cp_paraling_qa.training.mixing.streaming import Stream, _endless, stream_digest, stream_of, streamed_rows
from cp_paraling_qa.training.options import CPQAArguments, parse

OURS = CPQAArguments()
SIZES = {"asr": 12, "pqa_template": 24, "pqa": 6, "cpqa": 9}
EARS = SimpleNamespace(min_seconds=0.1, hears=lambda processor: 2.0)


def paper_rows(clips: int, kinds: dict[str, int], *, first: int = 0, metadata: bool = False) -> list[dict]:
    """`kinds[kind]` questions of each kind, dealt to the clips in turn; each clip's block is its own."""
    rows = []
    for kind, count in kinds.items():
        for number in range(count):
            clip = f"clip{first + number % clips:03d}"
            type = {"asr": "C", "pqa_template": ("DE", "DG")[number % 2], "pqa": "DE", "cpqa": ("CE", "C")[number % 2]}[kind]
            block = f"Voice: block of {clip}."
            question = f"{kind} {number} of {clip}?"
            shown = {"metadata": block, "prompt": f"{block}\n{question}"} if metadata else {}
            row = example(clip, tone(300 + first, 0.3, first + number % clips), question, f"Answer {number}.", kind=kind, type=type, **shown)
            rows.append(row | {"id": f"{kind}-{first}-{number}"})
    return rows


def paper_folder(path: Path, *, first: int = 0, sizes: dict[str, int] = SIZES, clips: int = 6, order: int = 1) -> str:
    """A dataset folder as `cpqa build` lays it out: asr and templates in baseline and explicit, LLM-written questions in implicit and combined."""
    groups = {"baseline": ("asr", "pqa_template"), "implicit": ("pqa", "cpqa"), "explicit": ("asr", "pqa_template"), "combined": ("pqa", "cpqa")}
    configs = {}
    for config, kinds in groups.items():
        there = {kind: sizes[kind] for kind in kinds if sizes.get(kind)}
        rows = paper_rows(clips, there, first=first, metadata=config in ("explicit", "combined"))
        if rows:
            configs[config] = {"train": rows[::order], "test": rows[:2]}
    return str(write_dataset(path, configs))


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> str:
    return paper_folder(tmp_path_factory.mktemp("paper"))


@pytest.fixture(scope="module")
def other(tmp_path_factory) -> str:
    return paper_folder(tmp_path_factory.mktemp("other"), first=100, sizes={"pqa_template": 4, "cpqa": 5})


def script(dataset: str | None, config: str | None = None, **more) -> SimpleNamespace:
    return SimpleNamespace(dataset_name=dataset, dataset_config=config, dataset_train_split="train", **more)


def draw(dataset: str | None, seed: int = 0, config: str | None = None, *, ears=None, **options):
    return training_rows(script(dataset, config), replace(OURS, **options), seed, ears)


def ids(mixture) -> list[tuple]:
    return list(zip(mixture.rows["component"], mixture.rows["id"], mixture.rows["prompt"], strict=True))


def counts(mixture) -> dict[str, int]:
    return dict(Counter(mixture.rows["component"]))


# Numbers


def test_shares_follow_the_formula():
    sizes = {"a": 900, "b": 100}
    plain = {"a": None, "b": None}
    assert shares(plain, sizes, 1) == pytest.approx({"a": 0.9, "b": 0.1})
    assert shares(plain, sizes, 5) == pytest.approx({"a": 900**0.2 / (900**0.2 + 100**0.2), "b": 100**0.2 / (900**0.2 + 100**0.2)})
    assert shares(plain, sizes, math.inf) == {"a": 0.5, "b": 0.5}
    assert shares({"a": 1.0, "b": 3.0}, sizes, None) == {"a": 0.25, "b": 0.75}
    assert shares({"a": 1.0, "b": 3.0}, sizes, 1) == pytest.approx({"a": 0.75, "b": 0.25})  # 900 : 300
    assert shares(plain, {"a": 10**9, "b": 1}, 0.01) == pytest.approx({"a": 1.0, "b": 0.0})  # 10^900 would not be a float


@pytest.mark.parametrize("size", [1, 7, 10, 999, 12345])
def test_rounding_adds_up_and_is_within_one(size):
    parts = {"a": 0.07, "b": 1 / 3, "c": 0.5, "d": 1 - 0.07 - 1 / 3 - 0.5}
    found = rounded(size, parts)
    assert sum(found.values()) == size
    assert all(abs(found[name] - size * part) < 1 for name, part in parts.items())


def test_exact_shares_are_not_moved_by_floating_point():
    assert rounded(30, {"a": 0.1, "b": 0.2, "c": 0.7}) == {"a": 3, "b": 6, "c": 21}  # 30 × 0.1 = 3.0000000000000004


def test_rows_are_used_up_before_they_come_again():
    keys = [f"k{n}" for n in range(7)]
    found = Counter(number for number, _ in picked(keys, 24, 0, "x"))
    assert sorted(found.values()) == [3, 3, 3, 3, 4, 4, 4]  # 24 = 3 × 7 + 3
    backwards = Counter(6 - number for number, _ in picked(keys[::-1], 24, 0, "x"))
    assert found == backwards  # by key, not by place
    assert found != Counter(number for number, _ in picked(keys, 24, 1, "x"))
    assert set(picked(keys, 14, 0)) == {(number, turn) for number in range(7) for turn in range(2)}


# Names


def test_all_ways_to_write_a_mixture_mean_the_same():
    whole = [{"name": "cpqa", "weight": 2.0}, {"name": "pqa", "weight": 1.0}]
    for form in ("cpqa=2,pqa=1", " cpqa=2 , pqa=1 ", {"cpqa": 2, "pqa": 1}, {"cpqa": {"weight": 2}, "pqa": {"weight": 1}}, whole, "{cpqa: 2, pqa: 1}"):
        assert entries(form) == whole
    assert entries("cpqa,pqa") == [{"name": "cpqa"}, {"name": "pqa"}]
    assert entries(None) == entries("") == []


def test_names_say_where_rows_come_from():
    assert component({"name": "emotion"}, ("d",), metadata=False).types == ("DE",)
    part = component({"name": "cpqa:CE"}, ("d",), metadata=True)
    assert (part.datasets, part.configs, part.kinds, part.types) == (("d",), ("combined",), ("cpqa",), ("CE",))
    part = component({"name": "a/b@implicit"}, ("d",), metadata=False)
    assert (part.datasets, part.configs, part.kinds) == (("a/b",), ("implicit",), ())
    part = component({"name": "gender@a/b"}, (), metadata=False)
    assert (part.datasets, part.configs, part.kinds, part.types) == (("a/b",), ("baseline",), ("pqa_template",), ("DG",))
    part = component({"name": "text@notes.jsonl", "columns": {"prompt": "q"}}, ("d",), metadata=False)
    assert part.text and part.datasets == ("notes.jsonl",) and part.columns == {"prompt": "q"}
    part = component({"name": "mine", "dataset": "x,y", "kinds": ["asr", "cpqa"], "metadata": True}, ("d",), metadata=False)
    assert (part.datasets, part.configs) == (("x", "y"), ("explicit", "combined"))
    assert configs_of(["asr"], metadata=False) == ("baseline",)


@pytest.mark.parametrize(
    ("mixture", "message"),
    [
        ("cpqq=1", "cpqq is neither a kind"),
        ("cpqa=x", "weight of cpqa is 'x'"),
        ("cpqa=-1", "weight of cpqa"),
        ("cpqa=nan", "weight of cpqa"),
        ("cpqa=inf", "weight of cpqa"),
        ({"cpqa": True}, "weight of cpqa is True"),
        ("cpqa=1,cpqa=2", "cpqa stands there twice"),
        ("cpqa=0", "every component has weight 0"),
        ("cpqa=1,pqa", "cpqa have weights and pqa none"),
        ([{"name": "x", "dataset": "d", "config": "implicit", "wieght": 1}], "no wieght: an entry has"),
        ([{"name": "x", "kinds": ["cqa"]}], "kind cqa"),
        ([{"name": "x", "kinds": "cpqa", "types": "XX"}], "type XX"),
        ([{"weight": 1}], "neither name nor dataset"),
        ([{"name": "x", "dataset": "d", "config": "implicit", "metadata": True}], "both config and metadata"),
        ([{"name": "cpqa", "max_rows": 1.5}], "max_rows of cpqa is 1.5"),
        ("text=1", "write text@FILE"),
        ([3], "a list of mappings"),
        (7, "NAME=WEIGHT"),
    ],
)
def test_what_a_mixture_cannot_mean_is_named(mixture, message):
    with pytest.raises(RecipeError, match=message):
        plan_of(script("d"), replace(OURS, mixture=mixture))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"arm": "S40"}, "'S40' is not one of S10, S20, S30, S32"),
        ({"arm": "S30", "mixture_temperature": 0.0}, "mixture_temperature 0"),
        ({"arm": "S30", "mixture_size": 0}, "at least 1"),
        ({"arm": "S30", "mixture_size": 9, "match_arm": "S10"}, "match_arm sets it"),
        ({"arm": "S30", "match_arm": "S11"}, "match_arm 'S11'"),
        ({"mixture_size": 9}, "mixture_size needs a mixture"),
        ({"mixture_metadata": True}, "mixture_metadata needs a mixture"),
    ],
)
def test_options_that_do_not_fit_are_refused(folder, options, message):
    with pytest.raises(RecipeError, match=message):
        draw(folder, config="baseline", **options)


# Draws


def test_weights_are_shares_and_the_size_is_that_of_all_rows(folder):
    mixture = draw(folder, mixture="cpqa=2,pqa=1")
    assert counts(mixture) == {"cpqa": 10, "pqa": 5}  # 15 rows there are, 2 : 1
    assert [(entry.component, entry.available, entry.drawn) for entry in mixture.report] == [("cpqa", 9, 10), ("pqa", 6, 5)]
    times = Counter(mixture.rows["id"])
    assert sorted(times[f"cpqa-0-{n}"] for n in range(9)) == [1] * 8 + [2]  # 10 = 9 + 1
    assert sum(times[f"pqa-0-{n}"] for n in range(6)) == 5 and max(times[f"pqa-0-{n}"] for n in range(6)) == 1


def test_every_row_plays_its_own_clip(folder):
    from datasets import load_dataset

    before = {row["id"]: row for config in ("baseline", "implicit") for row in load_dataset(folder, config, split="train")}
    mixture = draw(folder, mixture="cpqa=3,emotion=1", mixture_size=40)
    assert len(mixture.rows) == 40
    for row in mixture.rows:
        assert {name: row[name] for name in ("audio", "clip_id", "question", "prompt", "answer", "kind", "type")} == {
            name: before[row["id"]][name] for name in ("audio", "clip_id", "question", "prompt", "answer", "kind", "type")
        }
    assert {row["type"] for row in mixture.rows if row["component"] == "emotion"} == {"DE"}


def test_a_seed_decides_everything(folder):
    options = {"mixture": "cpqa=1,pqa_template=1", "mixture_size": 20}
    assert ids(draw(folder, 5, **options)) == ids(draw(folder, 5, **options)) != ids(draw(folder, 6, **options))
    assert counts(draw(folder, 5, **options)) == counts(draw(folder, 6, **options)) == {"cpqa": 10, "pqa_template": 10}


def test_the_order_of_files_and_datasets_changes_nothing(folder, other, tmp_path):
    turned = paper_folder(tmp_path / "turned", order=-1)
    options = {"mixture": "cpqa=1,pqa_template=2", "mixture_size": 31}
    forward, backward = draw(f"{folder},{other}", 3, **options), draw(f"{other},{turned}", 3, **options)
    assert ids(forward) == ids(backward)
    assert {name.split("-")[1] for name in forward.rows["id"]} == {"0", "100"}  # both datasets are in it


@pytest.mark.parametrize(
    ("temperature", "expected"), [(1.0, {"pqa_template": 24, "pqa": 6}), (2.0, {"pqa_template": 20, "pqa": 10}), (math.inf, {"pqa_template": 15, "pqa": 15})]
)
def test_temperature(folder, temperature, expected):
    """24 and 6 rows: natural 24 : 6; √24 : √6 = 2 : 1; equal."""
    assert counts(draw(folder, mixture="pqa_template,pqa", mixture_temperature=temperature)) == expected


def test_names_alone_take_every_row_once(folder):
    mixture = draw(folder, mixture="pqa_template,pqa")
    assert len(set(mixture.rows["id"])) == len(mixture.rows) == 30


def test_max_rows_is_a_choice_under_the_seed(folder):
    entry = [{"name": "pqa_template", "max_rows": 5, "weight": 1}, {"name": "pqa", "weight": 1}]
    mixture = draw(folder, mixture=entry, mixture_size=20)
    used = Counter(row["id"] for row in mixture.rows if row["component"] == "pqa_template")
    assert len(used) == 5 and set(used.values()) == {2}  # ten draws
    assert mixture.report[0].available == 5
    assert set(used) != {row["id"] for row in draw(folder, 1, mixture=entry, mixture_size=20).rows if row["component"] == "pqa_template"}


def test_configs_alone_keep_their_order(folder):
    mixture = draw(folder, config="baseline,implicit")
    assert [row["id"] for row in mixture.rows] == [f"{kind}-0-{number}" for kind, count in SIZES.items() for number in range(count)]  # the order of the files
    assert {entry.component: entry.drawn for entry in mixture.report} == SIZES == counts(mixture)
    assert draw(folder, config="baseline", max_rows=7).rows["id"] == [f"asr-0-{n}" for n in range(7)]


def test_held_out_rows_come_once_and_in_order(folder):
    pool = load_pool(script(folder), replace(OURS, arm="S30", mixture="cpqa=9", mixture_size=500, metadata_dropout=0.5), "test")
    rows = pool.draw(0, whole=True).rows
    assert rows["id"] == ["asr-0-0", "asr-0-1", "pqa-0-0", "pqa-0-1"]  # what the test split holds; two components are not in it


def test_held_out_rows_are_never_those_a_component_trains_on(folder, tmp_path):
    """A component's own split, and a file, which has no other split, are what is trained on."""
    chat = tmp_path / "chat.jsonl"
    chat.write_text('{"prompt": "Hi?", "answer": "Hello."}\n')
    entries = [{"name": "asr", "split": "train"}, {"name": "chat", "text": str(chat)}]
    options = replace(OURS, mixture=entries)
    assert len(load_pool(script(folder), options).draw(0).rows) == 13
    assert load_pool(script(folder), options, "test").draw(0, whole=True).rows["id"] == ["asr-0-0", "asr-0-1"]


def test_the_report_can_be_read(folder):
    mixture = draw(folder, mixture="cpqa=2,pqa=1")
    text = "\n".join(mixture.lines())
    assert "cpqa" in text and "66.7%" in text and "1.11" in text and "C 5, CE 5" in text.replace("CE 6", "CE 5").replace("C 4", "C 5")
    assert json.loads(json.dumps(mixture.plain()))[1] == {
        "component": "pqa",
        "available": 6,
        "drawn": 5,
        "share": 5 / 15,
        "types": {"DE": 5},
        "repeats": 0.8333,
    }


# Text


def test_text_rows_have_no_audio(folder, tmp_path):
    (tmp_path / "notes.jsonl").write_text("".join(json.dumps({"q": f"What is {n}?", "a": f"A number\u2028{n}."}) + "\n" for n in range(3)))
    entry = {"name": "notes", "text": str(tmp_path / "notes.jsonl"), "weight": 1, "columns": {"prompt": "q", "answer": "a"}}
    mixture = draw(folder, mixture=[{"name": "cpqa", "weight": 1}, entry], mixture_size=6)
    text = [row for row in mixture.rows if row["component"] == "notes"]
    assert sorted(row["prompt"] for row in text) == ["What is 0?", "What is 1?", "What is 2?"]
    assert all(row["audio"] is None and row["kind"] == "text" and row["clip_id"].startswith("text-") and "\u2028" in row["answer"] for row in text)
    assert len({row["clip_id"] for row in text}) == 3  # no two of them are questions about one clip
    assert all(row["audio"]["bytes"] for row in mixture.rows if row["component"] == "cpqa")


@pytest.mark.parametrize(("content", "message"), [('{"prompt": "p"}\n', "no column answer"), ('{"answer": "a"}\n', "no column prompt"), ("", "is empty")])
def test_text_without_its_columns_is_refused(folder, tmp_path, content, message):
    (tmp_path / "notes.jsonl").write_text(content)
    with pytest.raises(DatasetError, match=message):
        draw(folder, mixture=f"cpqa=1,text@{tmp_path / 'notes.jsonl'}=1")


def test_other_datasets_need_audio_prompt_and_answer_alone(tmp_path):
    """Two foreign datasets give different clips one name: they stay apart."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    for name, hertz in (("a", 300.0), ("b", 900.0)):
        (tmp_path / name).mkdir()
        row = example("1", tone(hertz, 0.3), "Who speaks?", "A machine.")
        pq.write_table(
            pa.Table.from_pylist([{"clip_id": "1", "sound": row["audio"], "question": row["question"], "answer": row["answer"]}]),
            tmp_path / name / "train.parquet",
        )
    listed = [{"name": name, "dataset": str(tmp_path / name), "config": "default", "weight": 1, "columns": {"audio": "sound"}} for name in ("a", "b")]
    rows = draw(None, mixture=listed).rows
    assert len(rows) == 2 and len(set(rows["clip_id"])) == 2 and all(clip.startswith("1-") for clip in rows["clip_id"])
    assert rows["prompt"] == ["Who speaks?"] * 2


# Arms and controls


@pytest.mark.parametrize("arm", ARMS)
def test_an_arm_holds_every_row_of_its_kinds_once(folder, arm):
    mixture = draw(folder, arm=arm)
    assert counts(mixture) == {kind: SIZES[kind] for kind in ARMS[arm]}
    assert len(set(mixture.rows["id"])) == len(mixture.rows)
    shown = [row["metadata"] is not None and row["prompt"] == f"{row['metadata']}\n{row['question']}" for row in mixture.rows]
    assert all(shown) if arm == "S32" else not any(shown)


def test_s32_is_s30_with_metadata(folder):
    plain, shown = draw(folder, 4, arm="S30"), draw(folder, 4, arm="S32")
    assert sorted(plain.rows["id"]) == sorted(shown.rows["id"])
    explicit = draw(folder, arm="S10", mixture_metadata=True)  # the 2 × 2's fourth cell
    assert set(explicit.rows["config"]) == {"explicit"}


@pytest.mark.parametrize(("match", "size"), [("S10", 36), ("S20", 42), ("S30", 51)])
def test_size_matched_arms_have_equally_many_rows(folder, match, size):
    drawn = {arm: draw(folder, arm=arm, match_arm=match) for arm in ("S10", "S20", "S30")}
    assert {arm: len(mixture.rows) for arm, mixture in drawn.items()} == dict.fromkeys(drawn, size)
    assert counts(drawn["S20"]) == rounded(size, {"asr": 12 / 42, "pqa_template": 24 / 42, "pqa": 6 / 42})
    assert all(abs(entry.drawn - size * entry.available / 51) < 1 for entry in drawn["S30"].report)


def test_a_mixture_changes_the_arm_beside_it(folder):
    without = draw(folder, arm="S20", mixture="asr=0")
    assert counts(without) == {"pqa_template": 24, "pqa": 6}
    double = draw(folder, arm="S30", mixture="cpqa=2")
    assert {entry.component: entry.drawn for entry in double.report} == rounded(51, {"asr": 12 / 60, "pqa_template": 24 / 60, "pqa": 6 / 60, "cpqa": 18 / 60})
    assert len(draw(folder, arm="S20", mixture="asr=0", match_arm="S10").rows) == 24


@pytest.mark.parametrize(
    ("sizes", "options", "message"),
    [
        (
            {"pqa_template": 4, "cpqa": 4},
            {"arm": "S10"},
            "component asr: arm S10 needs rows of kind asr: .*config baseline.*cpqa generate RUN --kinds asr,pqa_template`",
        ),
        ({"asr": 4, "pqa_template": 4}, {"arm": "S20"}, "component pqa: .*config implicit.*--kinds asr,pqa_template,pqa`.*--mixture pqa=0"),
        ({"asr": 4, "pqa_template": 4, "pqa": 4}, {"arm": "S32"}, "component cpqa: .*config combined.*--kinds asr,pqa_template,pqa,cpqa"),
        ({"pqa_template": 1}, {"mixture": "gender=1"}, "component gender: rows of kind pqa_template and type DG"),
    ],
)
def test_what_a_dataset_cannot_serve_is_named_with_the_command(tmp_path, sizes, options, message):
    with pytest.raises(DatasetError, match=message):
        draw(paper_folder(tmp_path, sizes=sizes), **options)


def test_metadata_dropout_is_exact_over_the_mixture(folder):
    options = {"arm": "S32", "mixture_size": 100, "metadata_dropout": 0.3}
    mixture = draw(folder, 2, **options)
    assert sum(row["prompt"] == row["question"] for row in mixture.rows) == 30
    assert ids(mixture) == ids(draw(folder, 2, **options)) != ids(draw(folder, 3, **options))


def test_metadata_shuffle_shows_another_clips_block(folder):
    mixture = draw(folder, 2, arm="S32", metadata_shuffle=True)
    straight = {row["id"]: row for row in draw(folder, 2, arm="S32").rows}
    for row in mixture.rows:
        block, question = row["prompt"].split("\n")
        assert question == row["question"] and block != row["metadata"] == straight[row["id"]]["metadata"]
        assert block in {other["metadata"] for other in straight.values()}


def test_controls_without_metadata_are_refused(folder):
    with pytest.raises(TrainingError, match="prompts that show metadata"):
        draw(folder, arm="S30", metadata_shuffle=True)


# The length check


@pytest.fixture(scope="module")
def odd_folder(tmp_path_factory) -> str:
    rows = paper_rows(4, {"pqa_template": 8})
    rows += [example("long", tone(300, 2.5), f"q{n}?", "a.", kind="pqa_template", type="DE") for n in range(3)]
    only = [example("short", tone(300, 0.05), "q?", "a.", kind="cpqa", type="CE")]
    return str(write_dataset(tmp_path_factory.mktemp("odd"), {"baseline": {"train": rows}, "implicit": {"train": only}}))


def test_unhearable_clips_are_refused_by_name_or_left_out_before_the_draw(odd_folder):
    with pytest.raises(ClipLengthError, match=r"long \(2\.50 s\)"):
        draw(odd_folder, ears=EARS, mixture="pqa_template")
    mixture = draw(odd_folder, ears=EARS, mixture="pqa_template", mixture_size=16, drop_unhearable=True)
    assert mixture.dropped == {"long": pytest.approx(2.5)} and mixture.report[0].available == 8
    assert set(Counter(mixture.rows["id"]).values()) == {2} and "long" not in mixture.rows["clip_id"]


def test_clips_of_one_name_in_two_datasets_are_measured_each(tmp_path):
    folders = [
        str(write_dataset(tmp_path / name, {"baseline": {"train": [example("same", tone(300, seconds), f"{name}?", "a.")]}}))
        for name, seconds in (("long", 2.5), ("short", 0.3))
    ]
    with pytest.raises(ClipLengthError, match=r"same.* \(2\.50 s\)"):
        draw(",".join(folders), ears=EARS, config="baseline")
    assert draw(",".join(folders), ears=EARS, config="baseline", drop_unhearable=True).rows["question"] == ["short?"]


def test_a_component_that_nobody_can_hear_is_an_error(odd_folder):
    with pytest.raises(ClipLengthError, match="component cpqa: none of its clips"):
        draw(odd_folder, ears=EARS, mixture="pqa_template,cpqa", drop_unhearable=True)


# Recipes


def options_of(*arguments: str) -> tuple:
    data, _, _, ours = parse([*arguments, "--model_name_or_path", "none", "--use_cpu", "true", "--bf16", "false"])
    return data, ours


def test_a_mapping_in_a_recipe_and_a_flag_mean_the_same(tmp_path, folder):
    listed = [{"name": "cpqa", "weight": 2}, {"name": "other", "dataset": folder, "kinds": ["pqa"], "weight": 1}]
    for mixture, flag in (({"cpqa": 2, "pqa": 1}, "cpqa=2,pqa=1"), (listed, json.dumps(listed))):
        (tmp_path / "recipe.yaml").write_text(yaml.safe_dump({"dataset_name": folder, "mixture": mixture, "mixture_temperature": 2.0}))
        data, ours = options_of("--config", str(tmp_path / "recipe.yaml"))
        _, flagged = options_of("--dataset_name", folder, "--mixture", flag, "--mixture_temperature", "2")
        assert ids(training_rows(data, ours, 0)) == ids(training_rows(data, flagged, 0))
    _, over = options_of("--config", str(tmp_path / "recipe.yaml"), "--mixture", "asr=1")  # the command line wins
    assert plan_of(data, over).components[0].name == "asr"


RECIPES = sorted((ROOT / "trainer/recipes/arms").glob("*.yaml"))


def test_there_is_a_recipe_for_every_arm_and_control():
    assert {path.stem for path in RECIPES} == {
        *("s10", "s20", "s30", "s32", "s10_size_matched", "s20_size_matched", "s30_size_matched", "s30_no_vad", "s32_no_vad"),
        *("s32_metadata_training_only", "s30_metadata_inference_only", "s32_metadata_shuffled"),
    }


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_recipes_draw_what_they_are_called(path, folder):
    data, ours = options_of("--config", str(path), "--dataset_name", folder)
    arm = path.stem.split("_")[0].upper()
    assert ours.arm == arm
    mixture = training_rows(data, ours, 42)
    matched = "size_matched" in path.stem
    assert {entry.component for entry in mixture.report} == set(ARMS[arm])
    assert len(mixture.rows) == (36 if matched else sum(SIZES[kind] for kind in ARMS[arm]))
    own = [row["metadata"] is not None and row["metadata"] in row["prompt"] for row in mixture.rows]
    if path.stem == "s32_metadata_shuffled":
        assert not any(own) and all("Voice: block of" in row["prompt"] for row in mixture.rows)
    else:
        assert all(own) if arm == "S32" else not any(own)
    head = path.read_text(encoding="utf-8").split("model_name_or_path")[0]
    assert "accelerate launch" in head and f"recipes/arms/{path.name}" in head and "trainer/predict.py" in head


# Streaming


def stream(dataset: str, seed: int = 0, *, readers: int = 1, ears=None, config: str | None = None, **options):
    return streamed_rows(script(dataset, config), replace(OURS, **options), seed, ears, readers=readers)


def first(mixture, count: int) -> list[tuple]:
    return [(row["component"], row["id"], row["prompt"]) for row in itertools.islice(mixture.rows, count)]


def test_streamed_shares_hold_at_every_moment(folder):
    rows = first(stream(folder, mixture="cpqa=2,pqa_template=1.5,asr=0.5"), 80)
    for count in range(1, 81):
        so_far = Counter(name for name, *_ in rows[:count])
        assert all(abs(so_far[name] - count * part) <= 1 for name, part in (("cpqa", 0.5), ("pqa_template", 0.375), ("asr", 0.125)))


def test_streamed_rows_are_used_up_before_they_come_again(folder):
    """With a buffer of 1 row a pass is over after as many rows as there are."""
    rows = [name for _, name, _ in first(stream(folder, mixture="pqa_template", stream_buffer=1), 48)]
    assert len(set(rows[:24])) == len(set(rows[24:])) == 24 and rows[:24] != rows[24:]
    buffered = Counter(name for _, name, _ in first(stream(folder, mixture="pqa_template", stream_buffer=8), 240))
    assert set(buffered) == set(rows) and max(buffered.values()) - min(buffered.values()) <= 3


def test_streams_repeat_under_a_seed_and_go_on_where_they_were(folder):
    whole = first(stream(folder, 7, arm="S30"), 100)
    assert whole == first(stream(folder, 7, arm="S30"), 100) != first(stream(folder, 8, arm="S30"), 100)
    again = stream(folder, 7, arm="S30").rows.skip(60)  # what transformers does when it goes on from a checkpoint
    assert [(row["component"], row["id"], row["prompt"]) for row in itertools.islice(again, 40)] == whole[60:]
    assert Counter(name for name, *_ in whole) == Counter(rounded(100, {kind: size / 51 for kind, size in SIZES.items()}))


def test_streamed_rows_have_the_columns_of_drawn_ones(folder):
    drawn = {row["id"]: row for row in draw(folder, arm="S32").rows}
    for row in itertools.islice(stream(folder, arm="S32").rows, 51):
        assert row == drawn[row["id"]]


def test_loader_workers_and_processes_share_the_rows(folder, monkeypatch):
    """Two processes with two loader workers each, by the same code that splits them in training: in one pass no row comes twice."""
    from accelerate.data_loader import prepare_data_loader
    from accelerate.state import PartialState
    from torch.utils.data import DataLoader

    PartialState(cpu=True)
    monkeypatch.setenv("WORLD_SIZE", "2")
    seen = []
    for rank in range(2):
        rows = stream(folder, 3, readers=4, mixture="pqa_template", stream_buffer=1).rows
        loader = DataLoader(rows, batch_size=1, num_workers=2, collate_fn=lambda rows: rows[0]["id"])
        loader = prepare_data_loader(loader, num_processes=2, process_index=rank, put_on_device=False, dispatch_batches=False)
        seen.append(list(itertools.islice(loader.base_dataloader, 12)))
    assert len(set(seen[0] + seen[1])) == 24  # 24 rows, each of the four readers has six


def test_a_stream_for_other_readers_is_refused(folder, monkeypatch):
    """A reader with two endless shards would read the first alone."""
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr("torch.utils.data.get_worker_info", lambda: SimpleNamespace(num_workers=2))
    with pytest.raises(DatasetError, match="made for 3 readers, and 4"):
        next(_endless([0], Stream((), {}, 0, of=3)))


def test_more_readers_than_rows_do_not_wait_for_each_other(folder):
    mixture = stream(folder, 0, readers=16, mixture="pqa", stream_buffer=1)  # six rows
    for number in (0, 7, 15):
        assert len(list(itertools.islice(mixture.rows.shard(16, number), 2))) == 2


def test_streamed_clips_are_refused_by_name_or_left_out_and_counted(odd_folder):
    with pytest.raises(ClipLengthError, match=r"clip long \(2\.50 s\).*--drop_unhearable"):
        first(stream(odd_folder, ears=EARS, mixture="pqa_template"), 30)
    mixture = stream(odd_folder, ears=EARS, mixture="pqa_template", drop_unhearable=True)
    assert mixture.left_out() == {}
    assert len({name for _, name, _ in first(mixture, 40)}) == 8
    assert mixture.left_out() == {"long": pytest.approx(2.5)}
    with pytest.raises(ClipLengthError, match="component cpqa: none of its clips"):
        first(stream(odd_folder, ears=EARS, mixture="cpqa", drop_unhearable=True), 1)


def test_streams_mix_datasets_and_text(folder, other, tmp_path):
    (tmp_path / "notes.jsonl").write_text("".join(json.dumps({"prompt": f"p{n}", "answer": f"a\u2028{n}"}) + "\n" for n in range(3)))
    mixture = stream(f"{folder},{other}", mixture=f"cpqa=1,text@{tmp_path / 'notes.jsonl'}=1")
    rows = list(itertools.islice(mixture.rows, 60))
    assert {row["dataset"] for row in rows if row["kind"] == "cpqa"} == {folder, other}
    assert {row["prompt"] for row in rows if row["kind"] == "text"} == {"p0", "p1", "p2"}
    assert all((row["audio"] is None) == (row["kind"] == "text") for row in rows)
    assert [(entry.available, entry.share) for entry in mixture.report] == [(14, 0.5), (3, 0.5)]


def test_streamed_json_lines_are_counted_by_kind_and_keep_late_columns(tmp_path):
    """Only the rows that a component takes make up its size; a column that the first row lacks is read all the same."""
    path = tmp_path / "rows.jsonl"
    lines = [{"prompt": f"p{n}", "answer": "a"} | ({"kind": "cpqa", "type": "CE"} if n > 2 else {}) for n in range(5)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    part = component({"name": "cpqa", "dataset": str(path), "config": "x"}, (), metadata=False)
    assert [(group, dict(counts)) for group, counts in _counted(part, str(path))] == [(-1, {"CE": 2})]


def test_configs_alone_stream_in_natural_shares(folder):
    rows = first(stream(folder, config="baseline,implicit"), 51)
    written = sum(name in ("pqa", "cpqa") for name, *_ in rows)
    assert written == 15 and {name for name, *_ in rows} == set(SIZES)  # 15 of 51 rows are in implicit; rows are named by kind


def test_streamed_dropout_is_by_row(folder):
    rows = list(itertools.islice(stream(folder, arm="S32", metadata_dropout=0.5, stream_buffer=1).rows, 204))
    bare = {row["id"]: row["prompt"] == row["question"] for row in rows}
    assert all(bare[row["id"]] == (row["prompt"] == row["question"]) for row in rows)  # the same in every pass
    assert 15 <= sum(bare.values()) <= 36  # 51 rows, p 0.5: four standard deviations


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"arm": "S32", "metadata_shuffle": True}, "metadata_shuffle cannot be used with dataset_streaming"),
        ({"arm": "S30", "match_arm": "S10"}, "match_arm cannot be used"),
        ({"mixture": "cpqa", "mixture_size": 5}, "mixture_size cannot be used"),
        ({"mixture": [{"name": "cpqa", "max_rows": 5}]}, "max_rows of cpqa"),
    ],
)
def test_what_needs_all_rows_cannot_be_streamed(folder, options, message):
    with pytest.raises(RecipeError, match=message):
        stream(folder, **options)


def test_a_streamed_run_needs_to_know_when_to_stop_and_counts_its_rows(folder):
    run = SimpleNamespace(max_steps=0, world_size=2, per_device_train_batch_size=4, gradient_accumulation_steps=3, dataloader_num_workers=0, seed=1)
    with pytest.raises(RecipeError, match="needs --max_steps"):
        stream_of(script(folder), run, replace(OURS, mixture="cpqa=3,pqa=1"))
    run.max_steps = 5
    mixture = stream_of(script(folder), run, replace(OURS, mixture="cpqa=3,pqa=1"))
    assert {entry.component: entry.drawn for entry in mixture.report} == {"cpqa": 90, "pqa": 30}  # 5 × 4 × 3 × 2 = 120 rows, 3 : 1
    assert mixture.rows.n_shards == 2


@pytest.mark.parametrize(("mixture", "message"), [("asr", "component asr: rows of kind asr"), ("nowhere/at/all@baseline=1", "nowhere/at/all")])
def test_streams_name_what_is_not_there(other, mixture, message):
    with pytest.raises(DatasetError, match=message):
        stream(other, mixture=mixture)


def test_streams_that_show_other_rows_are_other_runs(folder):
    """S30 and S32 have the same components and sizes; a checkpoint of one must not be taken for the other's."""
    data, training = script(folder), SimpleNamespace(dataloader_num_workers=0, seed=0)
    options = [replace(OURS, arm="S30"), replace(OURS, arm="S32"), replace(OURS, arm="S32", metadata_dropout=0.5), replace(OURS, arm="S30", stream_buffer=7)]
    mixtures = [streamed_rows(data, ours, 0) for ours in options]
    assert all(mixture.plain() == mixtures[0].plain() for mixture in mixtures)
    digests = [stream_digest(mixture, data, training, ours) for mixture, ours in zip(mixtures, options, strict=True)]
    assert len(set(digests)) == 4 and digests[0] == stream_digest(mixtures[0], data, training, replace(OURS, arm="S30"))
