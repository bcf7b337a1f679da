"""RUN/written → RUN/questions on small runs written by hand."""

import json
import shutil
from collections import Counter

import pytest

from cp_paraling_qa.dataset.splits import whole_sets
from cp_paraling_qa.embed import PACKAGE
from cp_paraling_qa.errors import MissingExtraError, RecipeError, StageError
from cp_paraling_qa.generate.settle import SettleOptions, settle, stage, survey
from cp_paraling_qa.generate.settle.repeats import IN_CLIP, NEAR_IN_CLIP, NEAR_OF_SPEAKER, TOO_MANY_WHY
from cp_paraling_qa.generate.settle.shortcut import ANSWERABLE, Tried, too_easy
from cp_paraling_qa.schema import QUESTION_SCHEMA, table
from cp_paraling_qa.stage import read_rows
from tests.settle_fixtures import Letters, ask, clip, settled, write_run

KIDS, MOOD = "How does the speaker feel about the kids?", "What mood is the speaker in when talking about the kids?"
WHY = "Why might the speaker sound this way about the kids?"
FIRE, PRIZE = "We lost everything in the fire.", "My brother won the first prize."


def scene():
    """Two speakers say the same sentence; clip → rows."""
    sad, again, angry = clip("sad"), clip("again"), clip("angry", emotion="angry")
    other = clip("other", "The train is late.", "sad", speaker="s2")
    return [
        (
            sad,
            [ask(sad, KIDS, "They sound sad about the kids.", label="sad"), ask(sad, MOOD, "They sound sad.", label="sad"), ask(sad, WHY, "They sound sad.")],
        ),
        (again, [ask(again, KIDS, "They sound sad, as if the kids were gone.", label="sad")]),
        (angry, [ask(angry, WHY, "They sound angry at the kids.", label="angry"), ask(angry, "Is it?", "Yes.", dropped="too short")]),
        (other, [ask(other, "Who is it? Answer in one word.", "Female.", kind="pqa_template", type="DG", generator="template")]),
    ]


def test_a_run_from_end_to_end(tmp_path):
    rows, record = settled(write_run(tmp_path, scene()[:2], scene()[2:]), config={"llm": "llm"})
    table(rows, QUESTION_SCHEMA)
    assert len({row["qa_id"] for row in rows}) == len(rows)
    fates = {(row["clip_id"], row["question"]): row["dropped"] for row in rows}
    # The set: both sad clips were asked KIDS; the one with the smaller hash is in it, and the other one's question repeats it.
    # sha256("again") = b4c9…, sha256("sad") = 45c9…, hence "sad"; the angry clip gets the question with an answer of ours.
    assert fates == {
        ("sad", KIDS): None,
        ("sad", MOOD): NEAR_IN_CLIP,
        ("sad", WHY): None,
        ("again", KIDS): "repeat for the speaker",
        ("angry", WHY): None,  # 2 of 4 contextual questions of the speaker ask why
        ("angry", "Is it?"): "too short",
        ("angry", KIDS): None,
        ("other", "Who is it? Answer in one word."): None,
    }
    by = {(row["clip_id"], row["question"]): row for row in rows}
    first, second = by["sad", KIDS], by["angry", KIDS]
    assert first["contrast_set"] == second["contrast_set"] is not None and {row["contrast_set"] for row in rows} == {None, first["contrast_set"]}
    assert (second["answer"], second["label"], second["generator"], second["kind"], second["type"]) == (
        "The speaker sounds angry.",
        "angry",
        "contrast + llm",
        "cpqa",
        "CE",
    )
    assert second["evidence"] == [{"field": "emotion", "start": 0.0, "end": 2.0}] and second["prompt_hash"] not in (None, "p")
    assert whole_sets((row["contrast_set"], "train", row["label"]) for row in rows if row["dropped"] is None) == {first["contrast_set"]}
    assert record["settled"] == {NEAR_IN_CLIP: 1, "repeat for the speaker": 1}
    assert record["counts"]["contrast: sets"] == 1 and record["counts"]["contrast: rows marked"] == 1 and record["counts"]["contrast: rows added"] == 1
    assert record["config"]["llm"] == "llm" and record["config"]["settle"]["near_within"] == 0.9 and record["config"]["settle"]["embedder"] == "words"
    assert json.loads((tmp_path / "questions" / "_stage.json").read_text())["counts"] == record["counts"]


def test_parts_and_their_order_mean_nothing(tmp_path):
    whole, _ = settled(write_run(tmp_path / "a", scene()))
    for number, parts in enumerate(([scene()[3:], scene()[1:3], scene()[:1]], [[one] for one in reversed(scene())])):
        rows, _ = settled(write_run(tmp_path / str(number), *parts))
        assert sorted(map(repr, rows)) == sorted(map(repr, whole))


def test_everything_switched_off_changes_nothing(tmp_path):
    folder = write_run(tmp_path, scene())

    def refuse(texts):
        raise AssertionError

    rows, record = settled(
        folder, embedder=refuse, repeats=False, near_within=None, near_across=None, max_why_share=None, contrast=False, conflict=False, conflict_items=False
    )
    assert rows == list(read_rows(folder / "written")) and record["settled"] == {}


def test_unchanged_runs_are_not_looked_at_again(tmp_path, monkeypatch):
    folder, embed = write_run(tmp_path, scene()), Letters()
    rows, record = settled(folder, embedder=embed)
    assert embed.seen
    monkeypatch.setattr(stage, "Survey", None)
    again, same = settled(folder, embedder=embed)
    assert again == rows and {k: v for k, v in same.items()} == record
    monkeypatch.undo()

    (folder / "questions" / "part-00000.parquet").unlink()  # somebody took a part away: it is made again, and nothing is embedded for it
    embed.seen.clear()
    again, _ = settled(folder, embedder=embed)
    assert again == rows and embed.seen == []
    other, _ = settled(folder, embedder=embed, near_within=None)
    assert other != rows


def test_only_speakers_that_changed_are_embedded_again(tmp_path):
    def people(*more):
        said = []
        for name in ("s1", "s2"):
            one = clip(f"{name}", "The train is late.", "sad", speaker=name)
            said.append((one, [ask(one, f"Where is the train of {name} now?", "There."), ask(one, f"Where is the bus of {name} now?", "Here.")]))
        return [*said, *more]

    embed = Letters()
    settled(write_run(tmp_path, people()), embedder=embed)
    assert len(embed.seen) == 4
    embed.seen.clear()
    new = clip("new", "The bus is late.", "sad", speaker="s2")
    shutil.rmtree(tmp_path / "questions")
    settled(write_run(tmp_path, people((new, [ask(new, "Where is the tram of s2 now?", "Away.")]))), embedder=embed)
    assert set(embed.seen) == {f"Where is the {what} of s2 now?" for what in ("train", "bus", "tram")}


def test_a_run_that_was_killed_goes_on(tmp_path, monkeypatch):
    parts = [[one] for one in scene()]
    whole, _ = settled(write_run(tmp_path / "whole", *parts))
    folder, embed, real, made = write_run(tmp_path / "killed", *parts), Letters(), stage._settled, []

    def dies(*arguments):
        made.append(arguments[0]["clip_id"])
        if len(made) == 3:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(stage, "_settled", dies)
    with pytest.raises(KeyboardInterrupt):
        settled(folder, embedder=embed)
    assert not (folder / "questions" / "_stage.json").exists() and embed.seen
    monkeypatch.undo()
    embed.seen.clear()
    counted = []
    monkeypatch.setattr(stage, "_settled", lambda *a: (counted.append(a[0]["clip_id"]), real(*a))[1])
    rows, _ = settled(folder, embedder=embed)
    assert rows == whole and embed.seen == [] and counted == ["angry", "other"]


def test_no_model_to_compare_with(tmp_path, monkeypatch):
    monkeypatch.setattr(stage, "bundled_model", lambda: None)
    monkeypatch.setattr("cp_paraling_qa.embed.bundled_model", lambda: None)
    from cp_paraling_qa.embed import SentenceEmbedder

    folder = write_run(tmp_path, scene())
    with pytest.raises(MissingExtraError, match=rf"near_within.*{PACKAGE}.*embedded"):
        settled(folder, embedder=SentenceEmbedder())
    rows, _ = settled(folder, embedder=SentenceEmbedder(), near_within=None, near_across=None)
    assert {row["dropped"] for row in rows} == {None, "repeat for the speaker", "too short"}
    alone = write_run(tmp_path / "alone", scene()[2:])
    settled(alone, embedder=SentenceEmbedder())  # nothing to compare: no model is missed


def test_input_that_does_not_fit(tmp_path):
    with pytest.raises(StageError, match="written is not finished"):
        settle(tmp_path, SettleOptions(), clips=tmp_path / "clips", made_from="0")
    folder = write_run(tmp_path, scene())
    (folder / "clips" / "part-00000.parquet").unlink()
    with pytest.raises(StageError, match="part-00000.parquet is not there"):
        settled(folder)
    folder = write_run(tmp_path / "b", [(clip("a"), [ask(clip("b"), KIDS, "So.")])])
    with pytest.raises(StageError, match="clip 'b', which"):
        settled(folder)


def test_sets_need_a_known_speaker_and_english(tmp_path):
    def said(**more):
        clips = [clip(emotion, emotion=emotion, **more) for emotion in ("sad", "angry")]
        return [(one, [ask(one, KIDS, "They sound so.")]) for one in clips]

    for more, counted in (({"speaker": None}, "contrast: unknown speaker"), ({"language": "de"}, "contrast: language other than English")):
        rows, record = settled(write_run(tmp_path / counted[-5:], said(**more)))
        assert {row["contrast_set"] for row in rows} == {None} and len(rows) == 2
        assert record["counts"][counted] == 2
    rows, _ = settled(write_run(tmp_path / "none", said(language=None)))
    assert len({row["contrast_set"] for row in rows} - {None}) == 1
    rows, _ = settled(write_run(tmp_path / "one", said(words="Oh!")))
    assert {row["contrast_set"] for row in rows} == {None}  # one word is no sentence


def test_without_llm_written_questions_nothing_is_added(tmp_path):
    template = [(one, [ask(one, "How?", "So.", kind="pqa_template", type="DE")]) for one in (clip("a", FIRE, "sad"), clip("b", FIRE, "happy"))]
    rows, record = settled(write_run(tmp_path, template))
    assert [(row["clip_id"], row["conflict"]) for row in rows] == [("a", False), ("b", True)]
    assert record["counts"]["conflict: clips in conflict"] == 1 and not record["counts"]["conflict: items"]


def test_conflict_items_come_in_pairs(tmp_path):
    said = [("a", FIRE, "happy"), ("b", FIRE, "happy"), ("c", FIRE, "sad"), ("d", PRIZE, "angry"), ("e", PRIZE, "neutral"), ("f", "Kids are talking.", "sad")]
    clips = [clip(name, words, emotion, speaker=name) for name, words, emotion in said]
    parts = [(one, [ask(one, "Where are they?", "There.", type="C")]) for one in clips]
    rows, record = settled(write_run(tmp_path, parts))
    assert {row["clip_id"]: row["conflict"] for row in rows} == {"a": True, "b": True, "c": False, "d": True, "e": None, "f": None}
    items = [row for row in rows if row["generator"] == "template"]
    # negative words: one clip of two in conflict beside the one without; positive words: nobody agrees, so the angry prize stays without an item
    assert Counter(row["conflict"] for row in items) == {True: 1, False: 1} and record["counts"]["conflict: items"] == 2
    assert record["counts"]["conflict: clips without an opposite"] == 2
    for row in items:
        assert (row["kind"], row["type"], row["difficulty"], row["contrast_set"]) == ("cpqa", "CE", "complex", None)
        assert row["label"] == ("happy" if row["conflict"] else "sad") and row["label"] in row["answer"] and "negative" in row["answer"]
        assert [each["field"] for each in row["evidence"]] == ["emotion", "text"]
    rows, _ = settled(tmp_path, conflict_items=False)
    assert [row for row in rows if row["generator"] == "template"] == [] and {row["conflict"] for row in rows} == {True, False, None}


def test_what_the_words_alone_answer(tmp_path):
    seen = []

    def shortcut(rows):
        seen.extend(rows)
        return {row["qa_id"]: {"C": True, "CE": False}.get(row["type"]) for row in seen if row["question"] != "Who goes there?"}

    one = clip("a", FIRE, "sad")
    two = clip("b", "The bus is late.", None, speaker="s2", language=None)
    parts = [
        (
            one,
            [
                ask(one, "What was lost?", "Everything.", type="C"),
                ask(one, KIDS, "They sound sad.", label="sad"),
                ask(one, "Is it?", "Yes.", dropped="too short"),
            ],
        ),
        (two, [ask(two, "What is late?", "The bus.", type="C"), ask(two, "Who goes there?", "They.", type="CS"), ask(two, "Is she?", "She.", type="CG")]),
        (clip("c"), [ask(clip("c"), "How?", "So.", kind="pqa_template", type="DE")]),
    ]
    folder = write_run(tmp_path, parts[:1], parts[1:])
    rows, record = settled(folder, shortcut=shortcut, shortcut_name="m")
    assert {row["question"]: (row["transcript"], row["language"], row["emotion"]) for row in seen} == {
        "What was lost?": (FIRE, "en", "sad"),
        KIDS: (FIRE, "en", "sad"),
        "What is late?": ("The bus is late.", None, None),
        "Who goes there?": ("The bus is late.", None, None),
        "Is she?": ("The bus is late.", None, None),
    }
    marks = {row["question"]: row["text_answerable"] for row in rows}
    assert marks == {"What was lost?": True, KIDS: False, "Is it?": None, "What is late?": True, "Who goes there?": None, "Is she?": None, "How?": None}
    assert all(row["dropped"] is None for row in rows if row["question"] != "Is it?")
    counts = record["counts"]
    assert [counts[f"words alone: {name}"] for name in ("tried", "enough", "not enough", "nobody can tell", "rows left")] == [4, 2, 1, 1, 5]
    assert record["retry"] == 1  # the one that is missing: tried again by the next run
    seen.clear()
    settled(folder, shortcut=shortcut, shortcut_name="m")
    assert seen
    rows, record = settled(folder, shortcut=shortcut, shortcut_name="m", text_answerable="drop")
    assert {row["question"] for row in rows if row["dropped"] == ANSWERABLE} == {"What was lost?", "What is late?"}
    assert record["settled"] == {ANSWERABLE: 2} and record["counts"]["words alone: enough among those left"] == 0
    # 3 others: one of 4 is a share of 0.25
    rows, _ = settled(folder, shortcut=shortcut, shortcut_name="m", text_answerable=0.25)
    assert sum(row["dropped"] == ANSWERABLE for row in rows) == 1


def test_a_finished_shortcut_is_not_asked_again(tmp_path):
    calls = []

    def shortcut(rows):
        calls.append([row["qa_id"] for row in rows])
        return dict.fromkeys(calls[-1], False)

    folder = write_run(tmp_path, scene())
    rows, _ = settled(folder, shortcut=shortcut, shortcut_name="m")
    assert settled(folder, shortcut=shortcut, shortcut_name="m")[0] == rows and len(calls) == 1
    settled(folder, shortcut=shortcut, shortcut_name="another model")
    assert len(calls) == 2
    rows, _ = settled(folder)
    assert {row["text_answerable"] for row in rows} == {None}


def test_sets_and_items_are_not_torn_by_the_shortcut(tmp_path):
    """All rows of a set but one being answered from the words is what guessing gives; and items about conflict stand for each other."""
    said = [clip("a", FIRE, "happy"), clip("b", FIRE, "sad"), clip("c", FIRE, "angry")]
    parts = [(one, [ask(one, "What was lost?", "Everything.", type="C")]) for one in said]

    def shortcut(rows):
        return {row["qa_id"]: row["label"] != "angry" for row in rows}

    rows, _ = settled(write_run(tmp_path, parts), shortcut=shortcut, shortcut_name="m", text_answerable="drop", repeats=False, near_across=None)
    fates = Counter((row["generator"], row["contrast_set"] is not None, row["dropped"]) for row in rows)
    assert fates == {("llm", False, ANSWERABLE): 3, ("contrast", True, None): 3, ("template", False, None): 2}


def test_which_of_the_easy_ones_go():
    rows = [Tried(f"c{n}", "C", True) for n in range(4)] + [Tried(f"e{n}", "CE", True) for n in range(2)] + [Tried(f"h{n}", "CE", False) for n in range(3)]
    # 6 easy ones beside 3 hard ones; at most half: 3 stay, 2 of 4 and 1 of 2
    assert too_easy(rows, 0.5) == {"c2", "c3", "e1"}
    assert too_easy(rows, "keep") == set() == too_easy(rows, 1.0) and too_easy(rows, 0.0) == too_easy(rows, "drop") == {f"c{n}" for n in range(4)} | {
        "e0",
        "e1",
    }
    sets = [Tried("s0", "CE", True, "s"), Tried("s1", "CE", True, "s"), Tried("t0", "CE", True, "t"), Tried("t1", "CE", False, "t")]
    assert too_easy(sets, "drop") == {"s0", "s1"}  # every row of s was answered: how, if its answers differ?
    # t0 stays and counts: of 4 rows that stay, 2 may be easy; t0 is one, one of the free ones the other
    assert too_easy([*sets[2:], Tried("x0", "C", True), Tried("x1", "C", True), Tried("y", "C", None)], 0.5) == {"x1"}


def test_why_questions_of_a_run(tmp_path):
    asked = []
    for number in range(3):
        one = clip(f"{number}", f"Sentence number {number} is this.", "sad")
        asked.append((one, [ask(one, f"Why might the speaker sound this way about Person{number}?", f"They sound sad about {number}.")]))
    rows, record = settled(write_run(tmp_path, asked))
    assert record["settled"] == {TOO_MANY_WHY: 2}
    rows, record = settled(tmp_path, max_why_share=None)
    assert record["settled"] == {}


def test_batches_change_nothing(tmp_path, monkeypatch):
    asked = []
    for number in range(30):
        one = clip(f"{number}", f"Sentence number {number % 4} is this.", ("sad", "angry")[number % 2], speaker=f"s{number % 3}" if number % 5 else None)
        asked.append((one, [ask(one, q, f"They sound {('sad', 'angry')[number % 2]}.") for q in (KIDS, MOOD, WHY)]))
    whole, record = settled(write_run(tmp_path / "a", asked))
    monkeypatch.setattr(survey, "BATCH", 1)
    again, same = settled(write_run(tmp_path / "b", asked))
    assert again == whole and same["counts"] == record["counts"]
    assert {NEAR_IN_CLIP, NEAR_OF_SPEAKER, None} <= {row["dropped"] for row in whole}


def test_a_memo_that_is_broken_is_made_anew(tmp_path):
    folder = write_run(tmp_path, scene())
    (folder / "cache").mkdir()
    (folder / "cache" / "repeats.sqlite").write_bytes(b"no database" * 100)
    assert settled(folder)[0] == settled(write_run(tmp_path / "b", scene()))[0]


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"near_within": 1.5}, "near_within"),
        ({"near_across": True}, "near_across"),
        ({"max_why_share": float("nan")}, "max_why_share"),
        ({"text_answerable": "most"}, "text_answerable"),
        ({"text_answerable": -0.1}, "text_answerable"),
        ({"contrast": 1}, "contrast"),
        ({"seed": 0.5}, "seed"),
    ],
)
def test_options_that_make_no_sense(wrong, named):
    with pytest.raises(RecipeError, match=f"settle: {named}"):
        SettleOptions(**wrong)


def test_exact_repeats_in_a_clip_are_counted_apart(tmp_path):
    one = clip("a", emotion=None)
    rows, record = settled(write_run(tmp_path, [(one, [ask(one, "Who is Leo?", "A."), ask(one, "who is Leo", "B.", kind="pqa")])]))
    assert record["settled"] == {IN_CLIP: 1}
