"""Two systems compared: pairs, paired tests against scipy and enumeration, differences, and what is printed."""

from __future__ import annotations

import io
import itertools
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from chat_server import ChatServer, Reply
from rich.console import Console
from scipy import stats
from typer.testing import CliRunner

from cp_paraling_qa.cli import app
from cp_paraling_qa.errors import JudgeError
from cp_paraling_qa.judge.classification import classification_scores
from cp_paraling_qa.judge.comparison.comparing import compare_files, compare_rows
from cp_paraling_qa.judge.comparison.comparison_table import sentence, sentences, signed, tables
from cp_paraling_qa.judge.comparison.paired_tests import (
    _swapped,
    benjamini_hochberg,
    bootstrap_p,
    mcnemar,
    minimum_detectable_effect,
    signed_rank,
    standard_error,
)
from cp_paraling_qa.judge.comparison.pairing import pair_rows
from cp_paraling_qa.judge.statistics.intervals import CLASS_FIGURES, bootstrap_ci

LABELS = ["angry", "happy", "sad"]


def row(number: int, **more: Any) -> dict[str, Any]:
    base = {
        "id": f"q{number}",
        "clip_id": f"c{number}",
        "config": "implicit",
        "type": "DE",
        "question": f"How {number}?",
        "prediction": "?",
        "reference": f"r{number}",
    }
    return base | more


def judged(seed: int, right: float, n: int = 90, per_clip: int = 1, lift: float = 0.0) -> list[dict[str, Any]]:
    """Judgements of n answers; items are the same for every seed, answers are not."""
    random, items = np.random.default_rng(seed), np.random.default_rng(0)
    rows = []
    for i in range(n):
        label = LABELS[i % 3] if i % 5 else None
        said = None if label is None else label if random.random() < right else str(random.choice(LABELS)) if random.random() < 0.8 else None
        score = int(np.clip(round(items.normal(3, 1) + random.normal(lift, 0.8)), 0, 5)) if random.random() > 0.05 else None
        more = {"clip_id": f"c{i // per_clip}", "config": ("baseline", "implicit")[i % 2], "type": "DE" if label else "C", "label": label, "mapped": said}
        rows.append(row(i, **more, score=score, unscored=None if score is not None else "no reply", stage="word"))
    return rows


# --- tests of differences


def test_signed_rank_alone_is_scipys():
    random = np.random.default_rng(1)
    for n in (1, 2, 7, 12, 20, 60, 150):
        d = random.integers(-3, 4, n).astype(float)
        if not d.any():
            d[0] = 1
        assert signed_rank(d).p == pytest.approx(stats.wilcoxon(d, zero_method="pratt").pvalue, abs=1e-12)


def test_swapping_clusters_of_one_is_scipys_normal_approximation_on_200_random_cases():
    random = np.random.default_rng(2)
    for _ in range(200):
        d = random.integers(-5, 6, int(random.integers(20, 200))).astype(float)
        sums = np.sign(d) * stats.rankdata(np.abs(d))
        expected = stats.wilcoxon(d, zero_method="pratt", method="asymptotic", correction=False)
        assert _swapped(sums[sums != 0]) == pytest.approx(expected.pvalue, abs=1e-9)


def ranked(d: list[float]) -> list[float]:
    """Midranks of sizes by counting, zeros among them."""
    return [sum(abs(e) < abs(x) for e in d) + (sum(abs(e) == abs(x) for e in d) + 1) / 2 for x in d]


def test_signed_rank_of_clusters_by_enumeration_on_200_random_cases():
    """All ways of swapping A and B clip by clip; up to 13 clips that is what the test does, written here in loops."""
    random = np.random.default_rng(3)
    for _ in range(200):
        n = int(random.integers(3, 25))
        d = random.integers(-3, 4, n).astype(float).tolist()
        clips = random.integers(0, 6, n).tolist()
        if len(set(clips)) == n or not any(d):
            continue
        sums: dict[int, float] = {}
        for x, rank, clip in zip(d, ranked(d), clips, strict=True):
            sums[clip] = sums.get(clip, 0) + (rank if x > 0 else -rank if x < 0 else 0)
        seen = abs(sum(sums.values()))
        swaps = [abs(sum(sign * value for sign, value in zip(signs, sums.values(), strict=True))) for signs in itertools.product((1, -1), repeat=len(sums))]
        expected = sum(swap >= seen - 1e-9 for swap in swaps) / len(swaps)
        assert signed_rank(d, clusters=clips).p == pytest.approx(expected, abs=1e-9)


def test_signed_rank_of_many_clusters_by_its_formula():
    random = np.random.default_rng(4)
    d, clips = random.integers(-3, 4, 120).astype(float).tolist(), [i // 3 for i in range(120)]
    sums = [sum(math.copysign(r, x) if x else 0 for x, r in list(zip(d, ranked(d), strict=True))[3 * c : 3 * c + 3]) for c in range(40)]
    z = sum(sums) / math.sqrt(sum(value * value for value in sums))
    assert signed_rank(d, clusters=clips).p == pytest.approx(2 * stats.norm.sf(abs(z)), abs=1e-9)


def test_clusters_keep_the_signed_rank_test_at_its_level():
    """No difference, five questions a clip that go together: at 5 % the test on items cries wolf far more often than one time in twenty, that on clips does not."""
    random = np.random.default_rng(5)
    clips = [i // 5 for i in range(150)]
    alone = together = 0
    for _ in range(300):
        d = np.repeat(random.normal(size=30), 5) + 0.5 * random.normal(size=150)
        alone += signed_rank(d).p < 0.05
        together += signed_rank(d, clusters=clips).p < 0.05
    assert alone / 300 > 0.2
    assert together / 300 < 0.09  # 0.05 + 3 standard errors of 0.0126


def test_mcnemar_is_the_binomial_test_on_200_random_cases():
    random = np.random.default_rng(6)
    for _ in range(200):
        n = int(random.integers(1, 300))
        a, b = random.random(n) < random.random(), random.random(n) < random.random()
        only_a, only_b = int(np.sum(a & ~b)), int(np.sum(b & ~a))
        expected = stats.binomtest(only_a, only_a + only_b, 0.5).pvalue if only_a + only_b else 1.0
        found = mcnemar(a, b)
        assert (found.only_a, found.only_b) == (only_a, only_b)
        assert found.p == pytest.approx(expected, abs=1e-9)


def test_mcnemar_of_clusters_by_enumeration_on_200_random_cases():
    random = np.random.default_rng(7)
    for _ in range(200):
        n = int(random.integers(2, 30))
        a, b, clips = random.random(n) < 0.5, random.random(n) < 0.6, random.integers(0, 8, n).tolist()
        sums = [sum(int(b[i]) - int(a[i]) for i in range(n) if clips[i] == clip) for clip in sorted(set(clips))]
        swaps = [abs(sum(sign * value for sign, value in zip(signs, sums, strict=True))) for signs in itertools.product((1, -1), repeat=len(sums))]
        expected = sum(swap >= abs(sum(sums)) for swap in swaps) / len(swaps)
        assert mcnemar(a, b, clusters=clips).p == pytest.approx(expected, abs=1e-9)


def test_tests_of_nothing():
    assert signed_rank([0, 0, 0]) == (1.0, 3, 3)
    assert mcnemar([True, False], [True, False]) == (1.0, 0, 0)
    assert math.isnan(signed_rank([]).p) and math.isnan(mcnemar([], []).p)
    with pytest.raises(JudgeError, match=r"differences\[1\]"):
        signed_rank([1, None])  # type: ignore[list-item]


def test_benjamini_hochberg_by_hand_and_by_loop():
    # sorted .01 .02 .03 .04 · 4 ÷ rank: .04 .04 .04 .04; NaN takes no part
    assert benjamini_hochberg([0.02, math.nan, 0.04, 0.01, 0.03]) == pytest.approx([0.04, math.nan, 0.04, 0.04, 0.04], nan_ok=True)
    random = np.random.default_rng(8)
    for _ in range(200):
        p = random.random(int(random.integers(1, 20))) ** 2
        order = np.argsort(p)
        expected = np.empty(len(p))
        least = 1.0
        for rank in range(len(p), 0, -1):
            least = min(least, p[order[rank - 1]] * len(p) / rank)
            expected[order[rank - 1]] = least
        assert benjamini_hochberg(p.tolist()) == pytest.approx(expected.tolist(), abs=1e-12)
    assert benjamini_hochberg([]) == []


def test_minimum_detectable_effect_of_known_sizes():
    """Scores 0–5 with sd 1.6 on both sides, r = 0.5: the differences have sd 1.6, 32 of 100 points; (1.960 + 0.842) · 32 ÷ √n."""
    assert [round(minimum_detectable_effect(32 / math.sqrt(n)), 1) for n in (200, 500, 1000)] == [6.3, 4.0, 2.8]
    d = np.array([1.0, 2.0, 4.0, 7.0])
    assert standard_error(d, np.arange(4)) == pytest.approx(d.std(ddof=1) / 2)
    # two clips: means 1.5 and 5.5, so that the mean's error is half their difference
    assert standard_error(d, np.array([0, 0, 1, 1])) == pytest.approx(2.0)
    assert math.isnan(minimum_detectable_effect(0.0)) and math.isnan(standard_error(d, np.zeros(4, dtype=np.int64)))


def test_minimum_detectable_effect_is_seen_four_times_out_of_five():
    random = np.random.default_rng(9)
    effect = minimum_detectable_effect(1 / math.sqrt(100))
    seen = sum(stats.ttest_1samp(random.normal(effect, 1, 100), 0).pvalue < 0.05 for _ in range(600))
    assert seen / 600 == pytest.approx(0.8, abs=0.05)  # three standard errors of 0.016


def test_bootstrap_p_is_where_the_interval_touches_zero():
    random = np.random.default_rng(10)
    from cp_paraling_qa.judge.statistics.resampling import percentile_interval

    for shift in (0.5, 1.0, 2.0, -1.5):
        replicates = random.normal(shift, 1, 4001)
        p = bootstrap_p(replicates, 12)
        ends = percentile_interval(replicates, 12, confidence=1 - p)
        assert min(abs(end) for end in ends) < 0.02
    assert bootstrap_p(np.zeros(50), 9) == 1.0
    assert 0 < bootstrap_p(np.ones(1999), 50) < 0.003  # 1 of 2,000 on each side, and the t of 50 clusters
    assert math.isnan(bootstrap_p(np.ones(9), 1)) and math.isnan(bootstrap_p(np.full(9, math.nan), 5))


# --- pairs


def test_pairs_by_id_then_by_question_and_nothing_is_lost():
    a = [row(1), row(2), row(3, id="mine"), row(4), row(5, config="baseline"), row(6), row(7, id=None)]
    b = [row(2), row(1), row(3, id="theirs"), row(4, reference="other"), row(5, config="explicit"), row(8), row(7, id=None)]
    found = pair_rows(a, b)
    assert found.pairs == [(0, 1), (1, 0), (2, 2), (4, 4), (6, 6)]
    assert found.matched_by == {"id and config": 2, "id": 1, "clip_id, question and config": 2}
    assert (found.only_a, found.only_b, found.contradicting) == ([3, 5], [3, 5], ["q4"])
    told = found.told(a, b)
    assert (told["n"], told["only_in_a"], told["only_in_a_ids"]) == (5, 2, ["q4", "q6"])


def test_a_key_of_several_rows_pairs_none_of_them():
    a = [row(1, config="baseline"), row(1, config="implicit")]
    assert pair_rows(a, [row(1, config="explicit")]).pairs == []
    twice = [row(1, id="x", question="same", clip_id="c"), row(2, id="y", question="same", clip_id="c")]
    assert pair_rows(twice, [row(1, id="z", question="same", clip_id="c")]).pairs == []
    assert pair_rows([row(1, label="Sad")], [row(1, label="sad ")]).pairs == [(0, 0)]
    assert pair_rows([row(1, clip_id="c1")], [row(1, clip_id="c9")]).pairs == []


# --- comparisons


def test_differences_are_those_of_the_figures_themselves():
    a, b = judged(1, 0.5, per_clip=3), judged(2, 0.7, per_clip=3, lift=0.3)
    result = compare_rows(a, b, n_bootstrap=300, seed=7)
    json.dumps(result, allow_nan=False)
    both = [(x, y) for x, y in zip(a, b, strict=True) if x["score"] is not None and y["score"] is not None]
    gain = [20 * (y["score"] - x["score"]) for x, y in both]
    clips = [x["clip_id"] for x, _ in both]
    judge = result["figures"]["llm_judge"]
    assert judge["difference"] == pytest.approx(np.mean(gain)) and judge["n"] == len(both) < 90
    assert (judge["ci_low"], judge["ci_high"]) == pytest.approx(bootstrap_ci(gain, clusters=clips, n_bootstrap=300, seed=7), abs=1e-9)
    assert judge["a"] == pytest.approx(np.mean([20 * x["score"] for x, _ in both]))
    assert sum(result["unscored"].values()) == 90 - len(both)
    assert result["wilcoxon"] == {"p": signed_rank(gain, clusters=clips).p, "n": len(both), "n_zero": gain.count(0)}
    labelled = [(x, y) for x, y in zip(a, b, strict=True) if x["label"]]
    expected = [classification_scores([x["label"] for x, _ in labelled], [pair[side]["mapped"] for pair in labelled]) for side in (0, 1)]
    for name in CLASS_FIGURES:
        figure = result["figures"][name]
        assert (figure["a"], figure["b"]) == pytest.approx((expected[0][name], expected[1][name]), abs=1e-9)
        assert figure["ci_low"] < figure["difference"] < figure["ci_high"] and figure["n"] == len(labelled) == 72
    right = [[float(pair[side]["mapped"] == pair[0]["label"]) for pair in labelled] for side in (0, 1)]
    paired = bootstrap_ci(np.subtract(right[1], right[0]), clusters=[x["clip_id"] for x, _ in labelled], n_bootstrap=300, seed=7)
    accuracy = result["figures"]["accuracy"]
    assert (accuracy["ci_low"], accuracy["ci_high"]) == pytest.approx(paired, abs=1e-9)
    # F1's error comes from its resamples, accuracy's from a formula: on nearly the same figure they nearly agree
    assert result["figures"]["f1_weighted"]["mde"] == pytest.approx(accuracy["mde"], rel=0.2)


def test_a_macro_figure_is_resampled_on_both_sides_at_once():
    a, b = judged(1, 0.5, n=45), judged(2, 0.8, n=45)
    figure = compare_rows(a, b, n_bootstrap=100, seed=3)["figures"]["f1_macro"]
    at = [i for i in range(45) if a[i]["label"]]
    values = []
    for draw in np.random.default_rng(3).integers(0, len(at), size=(100, len(at))):
        rows = [at[i] for i in draw]
        sides = [classification_scores([a[i]["label"] for i in rows], [side[i]["mapped"] for i in rows])["f1_macro"] for side in (a, b)]
        values.append(round(sides[1] - sides[0], 12))  # type: ignore[operator]
    k = len(at)
    tail = stats.norm.cdf(math.sqrt(k / (k - 1)) * stats.t.ppf(0.025, k - 1))
    assert len(set(values)) == 100  # then the mid-distribution quantile is Hazen's
    assert (figure["ci_low"], figure["ci_high"]) == pytest.approx(np.quantile(values, [tail, 1 - tail], method="hazen"), abs=1e-9)
    assert figure["mde"] == pytest.approx(2.8016 * np.std(values, ddof=1) * math.sqrt(k / (k - 1)), rel=1e-4)


def test_the_other_way_round_is_the_opposite():
    a, b = judged(1, 0.5), judged(2, 0.7, lift=0.4)
    there, back = compare_rows(a, b, n_bootstrap=400), compare_rows(b, a, n_bootstrap=400)
    for name, figure in there["figures"].items():
        other = back["figures"][name]
        assert figure["difference"] == pytest.approx(-other["difference"])
        assert (figure["ci_low"], figure["ci_high"]) == pytest.approx((-other["ci_high"], -other["ci_low"]), abs=1e-9)
        assert (figure["p"], figure["mde"], figure["shown"]) == pytest.approx((other["p"], other["mde"], other["shown"]))
    assert there["wilcoxon"] == back["wilcoxon"] and there["mcnemar"]["only_a"] == back["mcnemar"]["only_b"]


def test_a_file_against_itself_differs_in_nothing():
    a = judged(1, 0.5)
    result = compare_rows(a, a, n_bootstrap=200)
    for name, figure in result["figures"].items():
        assert (figure["difference"], figure["p"], figure["mde"], figure["shown"]) == (0, 1, None, False)
        others = (1 - 0.025 ** (1 / figure["n_clips"])) * (100 if name == "llm_judge" else 1)  # what so many equal pairs leave open
        assert (figure["ci_low"], figure["ci_high"]) == pytest.approx((-others, others))
    assert result["wilcoxon"]["p"] == result["mcnemar"]["p"] == 1
    assert all("A and B are level" in line for line in sentences(result))


def test_slices_and_their_q():
    result = compare_rows(judged(1, 0.4, n=120), judged(2, 0.8, n=120, lift=0.5), n_bootstrap=100)
    slices = result["slices"]
    assert {name: sorted(parts) for name, parts in slices.items()} == {"config": ["baseline", "implicit"], "type": ["C", "DE"], "true label": LABELS}
    assert sum(part["n"] for part in slices["config"].values()) == 120
    assert slices["type"]["C"]["figures"]["accuracy"] is None and slices["type"]["C"]["mcnemar"] is None
    assert set(slices["true label"]["sad"]["figures"]) == {"llm_judge", "accuracy"}
    for test in ("wilcoxon", "mcnemar"):
        tested = [part[test] for parts in slices.values() for part in parts.values() if part[test]]
        assert len(tested) == (7 if test == "wilcoxon" else 6)
        assert [one["q"] for one in tested] == pytest.approx(stats.false_discovery_control([one["p"] for one in tested]))
    # one config and one type throughout divide nothing
    assert compare_rows([row(i, score=i % 5) for i in range(9)], [row(i, score=3) for i in range(9)], embedder=None, n_bootstrap=50)["slices"] == {}


def test_one_judge_reads_both_sides_in_one_call():
    calls = []

    def judge(prompts: list[Any]) -> list[str]:
        calls.append(len(prompts))
        return [json.dumps({"explanation": "", "score": 5 if "good" in prompt[1]["content"] else 1}) for prompt in prompts]

    a = [row(i, prediction="bad", score=5) for i in range(6)]
    b = [row(i, prediction="good" if i else None, score=0) for i in range(8)]
    result = compare_rows(a, b, judge=judge, embedder=None, n_bootstrap=50)
    assert calls == [11]  # pairs alone, and a missing answer is not asked about
    assert (result["figures"]["llm_judge"]["difference"], result["judge"], result["unscored"]) == (80.0, "judge", {"a": 0, "b": 1, "both": 0})
    assert "2 only in B" in result["notes"][0]


def test_labels_are_mapped_in_one_way_where_a_side_has_none():
    a = [row(i, prediction="She sounds sad.", label="sad" if i % 2 else "angry", mapped="angry", score=3) for i in range(8)]
    b = [row(i, prediction="angry", label="sad" if i % 2 else "angry") for i in range(8)]
    result = compare_rows(a, b, embedder=None, n_bootstrap=50)
    assert (result["figures"]["accuracy"]["a"], result["mcnemar"]["only_a"]) == (0.5, 4)  # "sad", as it says, not the "angry" that stands there
    assert result["figures"]["llm_judge"] is None and result["wilcoxon"] is None
    assert result["notes"] == [
        "Only one file says which labels the answers map to: all were mapped here.",
        "Only A has judge scores: labels alone are compared. Name a judge to have both read.",
    ]


def test_what_cannot_be_compared_is_named():
    with pytest.raises(JudgeError, match="none of 1 and 1 rows"):
        compare_rows([row(1)], [row(2)])
    with pytest.raises(JudgeError, match="score of 'q1' is 9, outside 0–5"):
        compare_rows([row(1, score=9)], [row(1, score=2)], embedder=None)
    with pytest.raises(JudgeError, match="rubric 'x'"):
        compare_rows([row(1)], [row(1)], rubric="x")
    lone = compare_rows([row(1, score=1)], [row(1, score=2)], embedder=None)
    assert lone["figures"]["llm_judge"] | {"a": 0, "b": 0} == {
        **{"a": 0, "b": 0, "difference": 20.0, "ci_low": None, "ci_high": None, "p": None},
        **{"n": 1, "n_clips": 1, "mde": None, "shown": None},
    }
    assert sentences(lone) == ["Judge 0–100: B is 20.0 points higher; no interval from 1 item."]


def test_what_no_judge_figure_holds_is_told():
    a = judged(1, 0.5)
    all_unscored = [{**one, "score": None} for one in a]
    assert compare_rows(a, all_unscored, n_bootstrap=20)["notes"] == [
        "90 of 90 pairs lack a judge's score (A 4, B 90) and are in no judge figure: labels alone are compared."
    ]
    bare = [{name: value for name, value in one.items() if name not in ("score", "label", "mapped")} for one in a]
    assert compare_rows(bare, bare, n_bootstrap=20)["notes"] == ["No judge scores: there are no labels either, so nothing is compared."]


def test_words_for_a_difference():
    figure = {"difference": -0.052, "ci_low": -0.09, "ci_high": -0.011, "n": 300, "n_clips": 60, "mde": 0.061, "shown": True}
    assert sentence("accuracy", figure) == (
        "Accuracy: B is 5.2 points lower (95 % CI −9.0 to −1.1): shown; with 300 items of 60 clips differences under 6.1 points are easily missed."
    )
    assert [signed(value) for value in (0.04, -0.04, 12, -3.25)] == ["0.0", "0.0", "+12.0", "−3.2"]


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(item) + "\n" for item in rows), encoding="utf-8")
    return path


def test_files_tell_of_other_judges(tmp_path):
    a, b = write(tmp_path / "a" / "judgements.jsonl", judged(1, 0.5)), write(tmp_path / "b" / "judgements.jsonl", judged(2, 0.5))
    told = {"models": ["one"], "rubric": "open", "rubric_hash": "1"}
    unscored = ["7 of 90 pairs lack a judge's score (A 4, B 3) and are in no judge figure."]
    (tmp_path / "a" / "scores.json").write_text(json.dumps({"judge": told}))
    (tmp_path / "b" / "scores.json").write_text(json.dumps({"judge": told}))
    assert compare_files(a, b, n_bootstrap=20)["notes"] == unscored
    (tmp_path / "b" / "scores.json").write_text(json.dumps({"judge": told | {"models": ["two"]}}))
    assert "different judges" in compare_files(a, b, n_bootstrap=20)["notes"][-1]
    (tmp_path / "b" / "scores.json").write_text("[")
    assert compare_files(a, b, n_bootstrap=20)["notes"] == unscored


def test_the_command(tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    a, b = write(tmp_path / "a.jsonl", judged(1, 0.5)), write(tmp_path / "b.jsonl", judged(2, 0.7, lift=0.4))
    done = CliRunner().invoke(app, ["compare", str(a), str(b), "--n-bootstrap", "200", "--seed", "3", "--out", str(tmp_path / "c.json")])
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)
    assert json.loads((tmp_path / "c.json").read_text()) == result
    assert result["figures"] == compare_files(a, b, n_bootstrap=200, seed=3)["figures"]
    assert result["sentences"] == sentences(result) and all(line in done.stderr for line in result["sentences"])
    assert "B against A" in done.stderr and "config: baseline" in done.stderr
    half = CliRunner().invoke(app, ["compare", str(a), str(b), "--judge-model", "m"])
    assert isinstance(half.exception, JudgeError) and "--judge-base-url" in str(half.exception)


def test_the_command_asks_a_judge_once(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    a, b = ([row(i, prediction=word, label=None) for i in range(12)] for word in ("bad", "good"))
    files = [str(write(tmp_path / "run" / f"{name}.jsonl", rows)) for name, rows in (("a", a), ("b", b))]
    with ChatServer() as server:
        server.script = lambda body: Reply(json.dumps({"explanation": "", "score": 4 if "good" in body["messages"][1]["content"] else 1}))
        options = ["--judge-base-url", server.base_url, "--judge-model", "m", "--n-bootstrap", "50"]
        done = [CliRunner().invoke(app, ["compare", *files, *options]) for _ in range(2)]
        assert len(server.bodies) == 24  # the second run reads the cache beside the files
    assert done[0].exit_code == 0, done[0].output
    assert done[0].stdout == done[1].stdout
    result = json.loads(done[0].stdout)
    assert (result["figures"]["llm_judge"]["difference"], result["judge"], result["mcnemar"]) == (60.0, "m", None)


def test_tables_fit_into_80_columns():
    a, b = judged(1, 0.1, n=60), judged(2, 0.95, n=60, lift=2)
    for rows in (a, b):
        for one in rows:
            one["type"] += " with a name that is far too long for one line"
    console = Console(file=io.StringIO(), width=80)
    result = compare_rows(a, b, n_bootstrap=100)
    for table in tables(result):
        console.print(table)
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert max(map(len, lines)) <= 80 and len(lines) > 30
    assert any("judge 0–100" in line and "to" in line for line in lines)
    shown = signed(result["figures"]["llm_judge"]["difference"])
    assert any(shown in line for line in lines)
