"""LLM judge beside accuracy and F1 for spoken question answering: a thin face over `cp_paraling_qa.judge`."""

# evaluate finds the imports of this file line by line: one import per line, no comments behind them. What is heavy is imported inside the methods.
import datasets
import evaluate

_DESCRIPTION = """
Scores free-text answers to questions about speech in two ways at once: an LLM judge grades each answer against its reference on an anchored 0-5 rubric
(shown as 0-100), and answers with a closed-form label (emotion, gender, sentiment, any list) are mapped to that label by word lists and sentence embeddings
and compared with the truth (accuracy, balanced accuracy, F1). A failure is never a score: replies that cannot be parsed are left unscored and counted by
reason, answers that map to no label count as wrong, and the coverage stands beside every number.
"""

_KWARGS_DESCRIPTION = """
Args:
    predictions (list of str): the answers.
    references (list of str): what is right, in words.
    questions (list of str, optional): what was asked, shown to the judge.
    contexts (list of str, optional): what is known about each recording, shown to the judge.
    labels (list of str or None, optional): the true label of each item; None leaves an item out of the label figures.
    label_space (list of str, optional): the labels to choose from; by default those that occur in labels.
    judge (optional): a callable that is given the rendered prompts (one list of chat messages per item) and returns one reply text per item,
        {"explanation": string, "score": integer}; or a dict with base_url and model of an OpenAI-compatible endpoint (also temperature, max_tokens, seed,
        cache, concurrency, timeout). Without it the judge's keys are None.
    rubric (str): "open", 0-5.
    embedder (optional): "auto" (the bundled MiniLM, where it is installed), a sentence-transformers id, a callable, or None for word lists alone.
    threshold (float): least cosine of a label found by embedding.
    margin (float): least lead of that label over the second.
    return_details (bool): add `details`, one dict per item.

Returns:
    llm_judge (float or None): mean score of the scored items, 0-100, higher is better.
    n, n_scored (int), coverage (float): items, items with a score, and their share.
    unscored_reasons (dict): why the others have none.
    n_labelled (int): items with a true label.
    accuracy, balanced_accuracy, f1_weighted, f1_macro (float or None): 0-1, higher is better.
    label_coverage (float or None): share of labelled items whose answer maps to a label.
    label_stages, abstained_reasons (dict or None): what decided, and why the rest are open.

Examples:

    Labels alone, without a judge:

    >>> import evaluate
    >>> metric = evaluate.load("llm_judge")
    >>> result = metric.compute(
    ...     predictions=["She sounds furious.", "Not angry, rather sad.", "I cannot tell."],
    ...     references=["The speaker is angry.", "The speaker is sad.", "The speaker is sad."],
    ...     labels=["angry", "sad", "sad"],
    ... )
    >>> round(result["accuracy"], 3), round(result["label_coverage"], 3), result["abstained_reasons"]
    (0.667, 0.667, {'refusal': 1})
    >>> result["llm_judge"] is None
    True

    A judge that is any callable; what it does not score is counted, not guessed:

    >>> def judge(prompts):
    ...     return ['{"explanation": "names the emotion", "score": 5}', "Rating: 4"]
    >>> result = metric.compute(predictions=["Angry.", "Happy."], references=["angry", "sad"], judge=judge)
    >>> result["llm_judge"], result["n"], result["n_scored"], result["coverage"]
    (100.0, 2, 1, 0.5)
    >>> result["unscored_reasons"]
    {'no JSON verdict': 1}

    Batch by batch, with the labels at the end:

    >>> metric.add_batch(predictions=["a man", "a woman"], references=["male", "female"])
    >>> metric.compute(labels=["male", "female"])["f1_macro"]
    1.0
"""

_CITATION = """
@misc{cp_paraling_qa,
    title  = {cp-paraling-qa: contextual paralinguistic question answering for speech LLMs},
    year   = {2026},
    note   = {Metric llm_judge},
}
"""


@evaluate.utils.file_utils.add_start_docstrings(_DESCRIPTION, _KWARGS_DESCRIPTION)
class LLMJudge(evaluate.Metric):
    """The metric; all that it computes is `cp_paraling_qa.judge.compute`."""

    def _info(self):
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_KWARGS_DESCRIPTION,
            features=datasets.Features({"predictions": datasets.Value("string"), "references": datasets.Value("string")}),
            reference_urls=["https://arxiv.org/abs/2505.13338", "https://arxiv.org/abs/2508.07273"],
        )

    def _compute(
        self,
        predictions,
        references,
        questions=None,
        contexts=None,
        labels=None,
        label_space=None,
        judge=None,
        rubric="open",
        embedder="auto",
        threshold=0.35,
        margin=0.05,
        return_details=False,
    ):
        from cp_paraling_qa.judge import compute

        return compute(
            predictions,
            references,
            questions=questions,
            contexts=contexts,
            labels=labels,
            label_space=label_space,
            judge=judge,
            rubric=rubric,
            embedder=embedder,
            threshold=threshold,
            margin=margin,
            return_details=return_details,
        )
