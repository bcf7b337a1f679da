"""The judge's report card: what was asked of it, what was seen of it, and whether that is enough to lean on its scores.

"Usable" is said only of what was shown, by bars that stand in the card. Whatever was not measured counts as not shown, never as fine.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from cp_paraling_qa.report.wording import NOT_SHOWN, bounds, clean, decimal, percent

MIN_ITEMS = 50
"""Fewer items show nothing: the alternative annotator test asks for 50 to 100 (arXiv 2501.10970)."""
MIN_COVERAGE = 0.95
MIN_ALPHA = 0.8
"""Krippendorff's customary bar for data that conclusions may rest on."""
MIN_AUC = 0.8
MIN_SPEARMAN = 0.5

USABLE, FOR_LABELS, UNSHOWN = "Usable", "Usable where there is a label", "Not shown"
BARS = (
    f"The bars: at least {percent(MIN_COVERAGE)} of the answers scored; α between repeats or judges at least {MIN_ALPHA}; and, on at least {MIN_ITEMS} answers, a rank "
    f"correlation with people whose interval lies above {MIN_SPEARMAN} and, where two people or more rated enough, the alternative annotator test passed. Without people, an AUC against the "
    f"labels whose interval lies above {MIN_AUC} on as many answers shows the judge usable on questions that have a label, and on no others."
)


class Check(NamedTuple):
    """One line of the card.

    Attributes:
        name: what was looked at.
        value: the figure with interval and n, or "not shown".
        note: what it means.
        passed: whether it reaches its bar; None where nothing was shown.
    """

    name: str
    value: str
    note: str
    passed: bool | None


class Card(NamedTuple):
    """The judge's report card.

    Attributes:
        verdict: `USABLE`, `FOR_LABELS` or `UNSHOWN`.
        sentence: the verdict in words, with what it rests on or what is missing.
        checks: the lines.
        facts: name and value of what was asked: model, rubric, prompt hash, …
    """

    verdict: str
    sentence: str
    checks: list[Check]
    facts: list[tuple[str, str]]


def judge_card(scores: Mapping[str, Any]) -> Card | None:
    """The card of the judge that made the scores; None where nobody judged."""
    judge = scores.get("judge")
    if not judge:
        return None
    stable, labels, people, covered = _stability(scores, judge), _labels(scores), _people(scores), _coverage(scores)
    if people.passed and covered.passed and stable.passed:
        verdict = USABLE
    elif labels.passed and covered.passed and stable.passed and people.passed is None:
        verdict = FOR_LABELS
    else:
        verdict = UNSHOWN
    checks = [covered, stable, labels, people, *_more(scores), *_probes(scores)]
    return Card(verdict, _sentence(verdict, covered, stable, labels, people), checks, _facts(scores, judge))


def _sentence(verdict: str, covered: Check, stable: Check, labels: Check, people: Check) -> str:
    if verdict == USABLE:
        return "Usable: it scores nearly every answer, it repeats itself, and it agrees with people."
    if verdict == FOR_LABELS:
        return "Usable on questions that have a label: there it tells right answers from wrong ones. Whether it agrees with people was not looked at."
    failed = [f"{check.name.lower()} is below its bar" for check in (covered, stable, labels, people) if check.passed is False]
    missing = [check.name.lower() for check in (stable, people) if check.passed is None]
    told = "; ".join(failed + ([f"nothing is known of its {' and its '.join(missing)}"] if missing else []))
    return f"Not shown to be usable: {told}. Read its scores as an indication at most."


def _coverage(scores: Mapping[str, Any]) -> Check:
    covered = scores.get("coverage")
    return Check(
        "Coverage",
        NOT_SHOWN if covered is None else f"{percent(covered)} ({scores['n_scored']:,} of {scores['n']:,})",
        "share of the answers that got a score; the others are counted by reason below, none became a score",
        None if covered is None else covered >= MIN_COVERAGE,
    )


def _stability(scores: Mapping[str, Any], judge: Mapping[str, Any]) -> Check:
    alpha, models, repeats = scores.get("judge_alpha"), judge.get("models") or [judge["model"]], judge.get("repeats", 1)
    between = " and ".join([f"{len(models)} judges"] * (len(models) > 1) + [f"{repeats} repeats"] * (repeats > 1))
    if alpha is None:
        why = (
            "each answer was judged once: ask with --repeats 3, or name two judges"
            if not between
            else "it is not defined: all scores are the same, or too few answers have two"
        )
        return Check("Stability", NOT_SHOWN, why, None)
    n = (scores.get("panel") or {}).get("alpha_n")
    told = f"α = {decimal(alpha, 2)} between {between}" + ("" if n is None else f", n = {n:,}")
    return Check("Stability", told, "Krippendorff’s α, ordinal: 1 is perfect, 0 is chance", alpha >= MIN_ALPHA)


def _labels(scores: Mapping[str, Any]) -> Check:
    n = scores.get("judge_label_n") or 0
    auc = scores.get("judge_label_auc")
    if auc is None:
        return Check("Validity against labels", NOT_SHOWN, "it takes scored answers with a true label, some of them right and some wrong", None)
    told = [f"AUC {bounds(scores, 'judge_label_auc', 2)}"]
    told += [f"Spearman {bounds(scores, 'judge_label_spearman', 2)}"] if scores.get("judge_label_spearman") is not None else []
    low = scores.get("judge_label_auc_ci_low")
    passed = low is not None and low > MIN_AUC and n >= MIN_ITEMS
    return Check(
        "Validity against labels",
        f"{', '.join(told)}, n = {n:,}",
        "how well its scores tell answers with the right label from those with a wrong one: AUC 0.5 is chance",
        passed,
    )


def _people(scores: Mapping[str, Any]) -> Check:
    n = scores.get("human_spearman_n") or 0
    rank = scores.get("human_spearman")
    if rank is None:
        return Check("Agreement with people", NOT_SHOWN, "nobody’s ratings were given, or too few to say: pass them with --human", None)
    low, test = scores.get("human_spearman_ci_low"), scores.get("alt_test") or {}
    passed = n >= MIN_ITEMS and low is not None and low > MIN_SPEARMAN and test.get("passed") is not False
    return Check(
        "Agreement with people", f"Spearman {bounds(scores, 'human_spearman', 2)}, n = {n:,}", "rank correlation with the mean of the people’s ratings", passed
    )


_HUMAN = (
    ("human_kendall_tau_b", "Kendall’s τ-b with people", 2, "rank correlation that allows for ties"),
    ("human_kappa_quadratic", "Quadratic κ with people", 2, "agreement beyond chance, far misses weighing more"),
    ("human_alpha_ordinal", "Krippendorff’s α with people", 2, "agreement beyond chance, ordinal"),
    ("human_alpha_between_raters", "Krippendorff’s α between people", 2, "what the judge’s own α with people is to be read against"),
    ("human_ac2", "Gwet’s AC2 with people", 2, "agreement beyond chance that bears skewed ratings"),
    ("human_bias", "Bias against people", 2, "judge minus people in points of the scale: above 0, the judge is lenient"),
    ("human_mae", "Mean distance to people", 2, "in points of the scale"),
)


def _more(scores: Mapping[str, Any]) -> list[Check]:
    """The other figures against people, where there are some: shown, not judged."""
    found = [
        Check(title, f"{bounds(scores, key, digits)}, n = {scores.get(f'{key}_n') or 0:,}", note, None)
        for key, title, digits, note in _HUMAN
        if scores.get(key) is not None
    ]
    if test := scores.get("alt_test"):
        found.append(_alternative(test))
    if scores.get("llm_judge_corrected") is not None:
        value = f"{bounds(scores, 'llm_judge_corrected', 1)} of 100, by {scores.get('llm_judge_corrected_method')}, n = {scores.get('llm_judge_corrected_n') or 0:,}"
        found.append(Check("Score corrected by people", value, f"the judge’s own mean is {bounds(scores, 'llm_judge', 1)}", None))
    return found


_PROBES = (
    ("length_preference_slope", "Favour of length", "points of the scale for every ten neutral words behind an answer: 0 is a judge that does not mind"),
    ("swap_consistency", "Consistency under swapping", "share of pairs of answers whose verdict stays when they change places: 1 is best"),
    ("position_preference", "Favour of place", "1: always the answer shown first wins; −1: always the second; 0 is best"),
)


def _probes(scores: Mapping[str, Any]) -> list[Check]:
    """What the probes found, for each judge; shown, not judged."""
    probes = scores.get("probes")
    if not probes:
        return [Check("Favour of length, of place", NOT_SHOWN, "the judge was not probed: ask with --probes 50", None)]
    found = []
    for judge, told in probes.items():
        for key, title, note in _PROBES:
            value = NOT_SHOWN if told.get(key) is None else f"{bounds(told, key, 2)}, n = {told.get(f'{key}_n') or 0:,}"
            found.append(Check(title if len(probes) == 1 else f"{title}: {clean(judge)}", value, note, None))
    return found


def _alternative(test: Mapping[str, Any]) -> Check:
    """The alternative annotator test (arXiv 2501.10970) in words."""
    name, note = (
        "Alternative annotator test",
        "whether the judge may stand in for one of the people: it should be at least as near to the others as that person is",
    )
    if test.get("passed") is None:
        return Check(name, NOT_SHOWN, str(test.get("reason") or "it could not be run"), None)
    told = f"{'passed' if test['passed'] else 'not passed'}: ahead of {percent(test['winning_rate'])} of {test['n_raters']} people"
    return Check(name, f"{told}, advantage {test['advantage_probability']:.2f}, ε = {test['epsilon']:g}, n = {test['n']:,}", note, test["passed"])


def _facts(scores: Mapping[str, Any], judge: Mapping[str, Any]) -> list[tuple[str, str]]:
    models = judge.get("models") or [judge["model"]]
    low, high = judge.get("scale") or (0, 5)
    told = [("Judge" if len(models) == 1 else "Judges", ", ".join(clean(model) for model in models))]
    told += [("Rubric", f"{judge['rubric']}, {low}–{high}"), ("Prompt hash", str(judge["rubric_hash"]))]
    heat = sorted({value for value in judge.get("temperatures") or [] if value is not None})
    told += [("Temperature", ", ".join(f"{value:g}" for value in heat))] if heat else []
    told += [("Verdicts an answer", f"{len(models) * judge.get('repeats', 1)} ({len(models)} × {judge.get('repeats', 1)})")]
    if people := scores.get("human_ratings"):
        lost = f"; rated ids that are not among the predictions: {people['unmatched']:,}" if people["unmatched"] else ""
        told.append(("People", f"{len(people['raters'])} rated {people['matched']:,} answers{lost}"))
    return told
