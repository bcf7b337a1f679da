"""The judge: rubric contracts, judging, labels out of free text, and the scores made of them. Light to import: no torch, no scikit-learn."""

from __future__ import annotations

from cp_paraling_qa.judge.classification import classification_scores
from cp_paraling_qa.judge.judging import JudgeConfig, judge_items
from cp_paraling_qa.judge.label_map import LabelMatch, map_labels
from cp_paraling_qa.judge.rubric import OPEN, RUBRICS, JudgeItem, Rubric, render_prompt
from cp_paraling_qa.judge.score import compute
from cp_paraling_qa.judge.scorefile import read_predictions, render, score_file
from cp_paraling_qa.judge.verdict import Verdict, parse_verdict

__all__ = [
    "JudgeConfig",
    "JudgeItem",
    "LabelMatch",
    "OPEN",
    "RUBRICS",
    "Rubric",
    "Verdict",
    "classification_scores",
    "compute",
    "judge_items",
    "map_labels",
    "parse_verdict",
    "read_predictions",
    "render",
    "render_prompt",
    "score_file",
]
