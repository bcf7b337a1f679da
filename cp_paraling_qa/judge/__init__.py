"""The judge: rubric contracts, judging, labels out of free text, and the scores made of them. Light to import: no torch, no scipy, no scikit-learn."""

from __future__ import annotations

from cp_paraling_qa.judge.classification import classification_scores
from cp_paraling_qa.judge.comparison.comparing import compare_files, compare_rows
from cp_paraling_qa.judge.evidence import evidence
from cp_paraling_qa.judge.judging import JudgeConfig, judge_items
from cp_paraling_qa.judge.label_map import LabelMatch, map_labels
from cp_paraling_qa.judge.pairwise import PAIRWISE, PairItem, Pairs, judge_pairs
from cp_paraling_qa.judge.panel import Panel, judge_panel
from cp_paraling_qa.judge.predictions import read_predictions
from cp_paraling_qa.judge.rubric import AUDIOBENCH, BINARY, OPEN, RUBRICS, JudgeItem, Rubric, render_prompt
from cp_paraling_qa.judge.score import compute
from cp_paraling_qa.judge.scorefile import render, score_file
from cp_paraling_qa.judge.statistics.agreement import auc, cohen_kappa, gwet_ac2, kendall_tau_b, krippendorff_alpha, point_biserial, spearman
from cp_paraling_qa.judge.statistics.alt_test import alternative_annotator_test
from cp_paraling_qa.judge.statistics.correction import Corrected, corrected_score
from cp_paraling_qa.judge.statistics.intervals import Interval, bootstrap_ci, class_score_intervals
from cp_paraling_qa.judge.statistics.validity import human_validity, label_validity
from cp_paraling_qa.judge.verdict import Verdict, parse_verdict

__all__ = [
    "AUDIOBENCH",
    "BINARY",
    "Corrected",
    "Interval",
    "JudgeConfig",
    "JudgeItem",
    "LabelMatch",
    "OPEN",
    "PAIRWISE",
    "PairItem",
    "Pairs",
    "Panel",
    "RUBRICS",
    "Rubric",
    "Verdict",
    "alternative_annotator_test",
    "auc",
    "bootstrap_ci",
    "class_score_intervals",
    "classification_scores",
    "cohen_kappa",
    "compare_files",
    "compare_rows",
    "compute",
    "corrected_score",
    "evidence",
    "gwet_ac2",
    "human_validity",
    "judge_items",
    "judge_pairs",
    "judge_panel",
    "kendall_tau_b",
    "krippendorff_alpha",
    "label_validity",
    "map_labels",
    "parse_verdict",
    "point_biserial",
    "read_predictions",
    "render",
    "render_prompt",
    "score_file",
    "spearman",
]
