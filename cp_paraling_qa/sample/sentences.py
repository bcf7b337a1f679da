"""The sentences of the sample, written for it: everyday, with a situation behind each, and no word that names or rates a feeling.

Each can be said in every emotion ("The results came back from the hospital." is news of any kind). A bar marks where a speaker may pause; it is not spoken
and does not stand in the transcript. Of sixty drafts these are among those that the synthesiser says most clearly over voices and emotions.
No sentence of the training part is in the test part.
"""

from __future__ import annotations

TRAIN_SENTENCES = (
    "You told them about the promotion | before me.",  # work
    "My sister is moving back home | in the spring.",  # family
    "The doctor wants to see us both | on Monday.",  # health
    "You gave my seat | to someone else.",  # travel
    "My teacher showed my essay | to the class.",  # school
    "Someone left a letter for you | under the door.",  # home
    "We are moving to London | in September.",  # family
    "My cousin called you | while you were out.",  # family
    "I found your name | on the list this morning.",  # work
    "I will be working | with your sister.",  # work
    "The results came back | from the hospital.",  # health
    "The train is going to stop here | all night.",  # travel
    "Someone is living | in the house across the street.",  # neighbours
    "I got an answer | from the university.",  # school
    "You invited the whole family | to our house.",  # family
    "My husband has taken | the job in Boston.",  # work
)
TEST_SENTENCES = (
    "Your parents are coming here | on Friday.",  # family
    "You kept all the pictures | from that summer.",  # friends
    "Someone from the office | is waiting outside.",  # work
    "My son wants to study | in another country.",  # school
    "He is coming home | on Sunday.",  # family
    "We are the only ones | on this train.",  # travel
    "The operation is planned | for next Monday.",  # health
    "My boss is sitting | in the next room.",  # work
)


def transcript(sentence: str) -> str:
    """The sentence without its pause mark.

    Example:
        >>> transcript("You gave my seat | to someone else.")
        'You gave my seat to someone else.'
    """
    return sentence.replace(" | ", " ")
