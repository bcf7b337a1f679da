"""Turns of phrase that name a feeling without claiming it, or deny and affirm in many words: replaced before label words are looked up."""

from __future__ import annotations

import re
from re import Pattern

_EMOTION = r"(?:emotions?|emotional (?:content|tone|expression|coloring|colouring)|feelings?)"


REWRITES: list[tuple[Pattern[str], str]] = [
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"\be \. g \.(?: ,)?", "such as"),
        (r"\bi \. e \.(?: ,)?", "that is ,"),
        # politeness and idioms that use emotion words without meaning them
        (r"\b(?:happy|glad|pleased|delighted|excited) to (?:help|assist|answer|analy[sz]e|provide|listen|share)\b", "willing"),
        (
            r"\bi (?:will |would |am |shall |can )?(?:be )?(?:more than |only too |very |so |really )?(?:happy|glad|pleased|delighted|excited|sad|sorry|afraid) to \w+\b"
            r"|\b(?:sad|sorry|happy|glad) to (?:say|report|tell you)\b",
            "i am willing",
        ),
        (r"\bi(?: am|) afraid\b|\bi fear\b", "regrettably"),
        (
            r"^(?:sadly|happily|surprisingly|amazingly|shockingly|gladly|thankfully|hopefully)\b(?= ,(?! (?:with|in|and|softly|very|quietly|slowly)\b))|\b(?:un)?surprisingly\b",
            "indeed",
        ),
        (r"\b(?:it is |it comes as )?no surprise(?: that)?\b|\bto (?:my|our|everyone 's|no one 's) surprise\b|\bwould not be surprised (?:if|to)\b", "indeed"),
        (r"\b(?:for|to) (?:fear|lack) of\b", "of"),
        (r"\bat (?:(?:his|her|their|my|the|\w+ 's|wit) )*(?:wits? (?:'s )?end|the end of (?:his|her|their|the) (?:rope|tether))\b", "exasperated"),
        (r"\b(?:without|free (?:of|from)|devoid of) (?:\w+ )?(?:judge?ment|opinion|evaluation|bias|slant)s?\b", "in an impartial tone"),
        # certainty that is spelled with a negation
        (
            r"\b(?:there is |there 's |i have |with )?(?:no|without(?: a| any)?|beyond(?: a| any)?) (?:doubt|question|mistake|denying|mistaking|hiding|missing|disguising|escaping)(?: about it| that| ,)?\b",
            "surely",
        ),
        (r"\b(?:can|could) not (?:be denied|deny|help but|be missed|be mistaken|mistake)\b", "surely"),
        (r"\b(?:impossible|hard|difficult) (?:not to (?:hear|notice|feel|sense|detect|see|miss|catch)|to (?:miss|overlook|ignore|mistake))\b", "surely"),
        (r"\b(?:can|could) not (?:say|claim|argue|pretend|maintain) (?:that )?(?:\w+ ){1,3}?(?:is|are|was|does|do) not\b", "surely"),
        (r"\b(?:undeniably|undoubtedly|unmistakably|unmistakeably|doubtless|doubtlessly)\b", "surely"),
        (r"\b(?:nothing|none|no emotion|no one emotion) (?:but|other than|except|if not)\b", "surely"),
        (
            r"\b(?:can|could) (?:not|hardly|barely|scarcely) (?:be|sound|seem) (?:any )?more\b|\bcould not (?:be|sound|seem|feel|look|get)\b(?= (?:any )?\w+er\b)",
            "is very",
        ),
        (r"\b(?:(?:can|could) )?(?:not|barely|hardly|scarcely) contain (?:himself|herself|themselves)\b", "is bubbling over"),
        (
            r"\b(?:(?:is|was|were|are) )?(?:(?:fail|struggl)(?:s|es|ed|ing)?|(?:unable|powerless|not able)) to (?:hide|conceal|suppress|hold back|mask|disguise)\b"
            r"|\b(?:makes?|making|made) no (?:(?:attempt|effort|bones) (?:to (?:hide|conceal|mask|disguise)|about)|secret of)\b",
            "shows",
        ),
        (
            r"\b(?:can|could|does|do|did)? ?(?:not|barely|hardly|scarcely) (?:even )?(?:contain|hide|conceal|suppress|hold back|control|mask|disguise)\b",
            "shows",
        ),
        (r"\b(?:never|rarely|seldom) (?:have i )?(?:heard|seen|met) (?:such|anyone so|anything so|someone so|anyone more|a more|anybody so)\b", "surely"),
        (r"\b(?:nothing|nobody|no one) (?:could |can |will )?\w+ (?:him |her |them )?(?=(?:more |\w+er\b))", "surely "),
        (
            r"\bnever (?:been|sounded|felt) (?:so|this|more)\b|\bnever (?:(?:been|sounded|felt|seemed|looked) )?(?:more(?! than\b)|(?=\w+(?:ier|dder|lmer)\b))",
            "is very ",
        ),
        (r"\bnot (?:only|just|merely|simply|solely)\b(?! (?:be|do|the|a)\b)(?=.* but\b)", "both"),
        (r"\bnot (?:only|just|merely|simply|solely)\b(?! (?:be|do|the|a)\b)", "partly"),
        (
            r"\bif (?:i|we) (?:had to|have to|must|were to|was to|should)(?: \w+){1,3}?(?= [,:]| §| it| that| i )|\bif (?:anything|pressed|forced|you ask me|i am honest)\b",
            "perhaps",
        ),
        (
            r"\bif (?:you|someone|anyone) (?:(?:held|put|hold|holds) a gun to my head|(?:made|make|makes|forced?|forces|pressed|press|pushed|push) me(?: to)?(?: \w+)?|twisted my arm)(?: ,)?",
            "perhaps",
        ),
        (r"\b(?:tell|telling) (?:\w+ ){1,2}?from \w+|\b(?:distinguish|distinguishing|differentiate|differentiating) (?:\w+ ){1,2}?(?:from|and) \w+", "compare"),
        (r"\bif (?:i|we) (?:had to|have to|must|were to|was to|should|could only) (?=(?:choose|pick|decide|select|guess|name|say|go|opt)\b)", ""),
        (r"\b(?:can|could) not believe (?=how|what\b|his\b|her\b|their\b|the\b)", "indeed "),
        (r"\bas (?:if|though)\b", "that"),
        (r"\bif not\b", "or even"),
        # no emotion at all is what a neutral voice shows
        (
            r"\b(?:no|without(?: any| much)?|not (?:\w+ ){0,2}(?:any|much|a lot of)|not|little(?: to no)?|(?:lack|lacks|lacking)(?: of| in)?(?: any)?"
            r"|(?:devoid|void|free|absence) (?:of|from)(?: any)?)"
            r" (?:(?:strong|particular|specific|clear|obvious|real|apparent|noticeable|evident|marked|special|discernible|significant|distinct|great|overt) )*"
            rf"{_EMOTION}\b(?! (?:other|but|except|can|could|such|labels?|categor\w+|class(?:es)?|recognition|detection|(?:was|is|has been) (?:\w+ )?(?:assigned|given|labell?ed|annotated|provided|specified|available)))",
            "emotionless",
        ),
        (r"\b(?:not|non) (?:very |particularly |especially |at all |really )?emotional\b", "emotionless"),
        (r"\bthe (?:sad|happy) (?:truth|fact|reality|part|thing) is\b", "indeed"),
        # an assistant that speaks of itself
        (
            r"\bi (?:must|should|need to|have to|try to|aim to|will|strive to|want to|would like to) (?:\w+ )?(?:be|remain|stay|keep) (?:\w+ )?\w+\b(?= (?:and|,|so|here|on|about|in|when|as)\b)",
            "willing",
        ),
        # comparisons: what loses is negated
        (r"\btoo ((?:\w+ ){1,2}?)to (?:be|sound|seem|feel|stay|come across as|pass for)\b", r"\1, not"),
        (r"\bthe (?:very )?last (?:thing|word|emotion|label|adjective|description|term|feeling) (?:\w+ ){1,5}?(?:is|was|would be)\b", "not"),
        (r"\bmore than (?:just|mere|merely|simply|only|plain)\b", "partly"),
        (r"\bless (\w+) than (\w+)\b", r"not \1 , \2"),
        (r"\bnot (?:so|as) (?:much )?(\w+) (?:as|but) (\w+)\b", r"not \1 , \2"),
        (r"\bmore than (?=a (?:hint|trace|touch|little|bit))(?:a (?:hint|trace|touch|little|bit) (?:of )?)", ""),
        (r"\b(is|are|sounds?|seems?|was|were|being) more than\b", r"\1 very"),
        (r"\b(?:more|rather|closer to|nearer to) ((?:\w+ ){1,4}?)than(?: to)?\b", r"rather \1, not"),
        (r"\b(?:rather|other|more|sooner) than\b|\b(?:instead|in place) of\b|\b(?:as )?opposed to\b|\bas against\b|\bin contrast to\b|\bin lieu of\b", ", not"),
        # negations of many words
        (r"\b(?:hard|difficult|impossible) to (?:believe|imagine|accept|see how)\b", "not"),
        (
            r"\b(?:it )?(?:is|would be|seems|was) (?:\w+ )?(?:wrong|incorrect|inaccurate|speculation|speculative|a mistake|misleading|false|unfair|premature|an exaggeration|not (?:right|correct|accurate|fair)) to (?:say|call|claim|describe|label|assume|think|conclude)\b",
            "not",
        ),
        (
            r"\b(?:anything but|far from|(?:is|are) a far cry from|by no means|in no way|no longer|nowhere near|not by any means|the opposite of|opposite of|the furthest thing from"
            r"|absence of|(?:free|devoid|void) (?:of|from)|lack of|lacks|lacking(?: in)?|lack|fails? to|failing to|failed to|(?:stop|stops|stopped|ceased?) (?:being|sounding)"
            r"|(?:rule|rules|ruled|ruling) out|excludes?|excluding|except(?: for)?|unlike|hardly|barely|scarcely|den(?:y|ies|ied|ying)|unlikely (?:that|to be)|improbable that"
            r"|doubt(?:s|ful)?(?: that| if| whether| it is)?|zero|nothing like|none of the|non|minus)\b",
            "not",
        ),
        (r"\b(?:cannot|can not)\b", "can not"),
    )
]
"""Applied in this order before label words are looked up (the words that they contain are no mentions)."""
