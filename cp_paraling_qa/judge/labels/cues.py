"""The English that decides what a mentioned label is worth: negation, contrast, report, hedge, hint, refusal.

Patterns run over a text as `plain_text.normalise` leaves it: lower case, contractions opened ("isn't" → "is not"), every token set apart by one space, and every
label word replaced by §, so that a pattern sees the frame around a mention and never its word. `BEFORE` patterns are matched at the end of what precedes a
mention in its clause, `AFTER` patterns at the start of what follows it in its sentence.
"""

from __future__ import annotations

import re
from re import Pattern

M = "§"
"""Stands for any label word."""

BOUNDARY = re.compile(
    r" (?:[,;:()|]|but|yet|however|although|though|albeit|whereas|while|whilst|despite|nevertheless|nonetheless|therefore|thus|hence|because|so(?= (?:i|he|she|it|they|the|this|my)\b)|then|notwithstanding"
    r"|and(?= (?:he|she|it|they|the|i|his|her|is|was|sounds|seems|speaks|feels|appears|has|shows|expresses|conveys)\b)) "
)
"""Where a clause ends."""

REFUSAL = re.compile(
    r"\b(?:(?:can|could|am|is|are|do|does|was|were|be) not (?:\w+ ){0,3}?|un|in)(?:able to|possible to|capable of|feasible to)\b"
    r"|\b(?:can|could) not (?:\w+ ){0,2}?(?:determine|tell|identify|say|know|infer|detect|assess|recogni[sz]e|listen|hear|access|process|analy[sz]e|provide|judge|discern|answer|help|be"
    r" (?:\w+ )?(?:determined|identified|inferred|known|told|said|assessed|detected|judged|ascertained|established|recogni[sz]ed)|confirm|conclude|make out|classify|decide|perceive|ascertain"
    r"|comment|respond|understand|guess|label|pinpoint|verify|interpret|speculate|assist|name|give|choose|pick|distinguish|evaluate|comply|really tell)\b"
    r"|\b(?:impossible|unable|hard|difficult|tricky|not enough \w+|insufficient \w+|not possible|not able|too short|too noisy|too \w+) to (?:\w+ ){0,2}?"
    r"(?:determine|tell|identify|say|know|infer|detect|assess|recogni[sz]e|judge|discern|answer|decide|classify|hear|make|be|understand|guess|label|pinpoint|distinguish|provide|listen|process|access)\b"
    r"|\bdo(?:es)? not (?:really |actually )?(?:know|provide|specify|mention|indicate|give|contain|have (?:access|enough|sufficient|the ability|ears|information))\b"
    r"|\b(?:no idea|idk|(?:h+m+|um+|uh+|erm)(?= (?:[.!?] )*$)|dunno|no clue|(?:not|have not) (?:got )?a clue|beats me|search me|pass(?= [.!]|$| $)|not (?:entirely |quite |really |completely |at all |fully |100 % )?(?:sure|certain|clear|known|specified|mentioned|provided|given|stated|applicable|enough (?:information|context"
    r"|evidence|data)|sufficient)|unsure|unclear|uncertain|unknown|undetermined|indeterminate|undeterminable|inconclusive|ambiguous|insufficient (?:information|context|data|evidence)|n / a"
    r"|no (?:\w+ ){1,3}(?:can|could) be (?:given|determined|assigned|identified|inferred|provided|detected|made)|none of the (?:above|options|labels)|inaudible|unintelligible|nothing (?:plays|is playing|was playing|to hear|to listen to|can be heard|audible)|(?:just|only|nothing but|complete|total) (?:silence|static|noise|music)|(?:file|clip|audio|recording|sample|track) (?:is|was|seems|seems to be|appears|appears to be) (?:\w+ )?(?:silent|empty|blank|corrupt|corrupted|broken|damaged|muted|missing)|i (?:can|could) not(?= [.!]| $)|no (?:audio|information|clear (?:answer|indication|evidence))|no (?:means|way|ability|possibility|basis) (?:of|to|for)|(?:no|without) (?:\w+ )?(?:speech|voice|sound|sounds|recording|clip|file|attachment|speaker) (?:(?:was|were|is|are|can|could|has|have|be|been|to be|that|i) ){0,4}(?:\w+ )?(?:found|detected|present|heard|audible|provided|attached|available|included|uploaded|supplied|received|recorded|shared|given|in|here)|please (?:\w+ )?(?:upload|provide|send|share|attach|supply|submit|paste)|(?:if|once|when|after|as soon as) you (?:can |could )?(?:\w+ )?(?:upload|provide|send|share|attach|supply|submit|paste|describe)|without (?:hearing|listening|access|the audio|more)|refuse|decline|will not|would rather not"
    r"|not (?:\w+ )?comfortable (?:with )?(?:to|\w+ing)|(?:i am|model is|assistant is) not (?:\w+ )?(?:equipped|qualified|designed|trained|programmed|built|allowed|permitted|meant|in a position) (?:to|for)|prefer not|anyone 's guess|who knows|as an? (?:ai|language|large|text)|cannot be)\b"
)
REFUSAL_ENDS = re.compile(
    r" (?:but|however|yet|although|though|still|nevertheless|nonetheless|;|,(?= (?:maybe|perhaps|possibly|probably|likely|i|it|he|she|they|the|my|so|most|surely)\b)|,(?= (?!or |and )(?:\w+ )?§ (?:maybe|perhaps|probably|possibly|i (?:think|guess|suppose|would)|[.!?]))"
    r"|and(?= (?:i (?:would|think|guess)|my)\b)) "
)
"""From here on, what the same sentence claims counts again."""

UNWILLING = re.compile(
    r"\b(?:i|we) (?:will not|would not|do not want to|should not|must not|can not|am not able to|am unable to|refuse to|decline to|prefer not to|would rather not) (?:\w+ )?(?:speculate|comment|listen|hear|access|process|assume|infer|play)\b"
    r"|\bno audio\b|\bdo(?:es)? not (?:\w+ )?(?:process|hear|listen|support|handle|have ears)\b|\bonly (?:work|deal) with text\b|\btext (?:based|only) (?:model|assistant|ai)\b|\bwhat do you mean\b|\bdo you mean\b|\bcould you (?:please )?(?:clarify|specify|explain|upload|resend|provide|send|share|repeat|tell me)\b|\bonly (?:they|he|she|the speaker|that person) (?:can|could|would|knows?)\b"
)
"""A refusal to look at all: what such an answer then calls merely possible is no claim."""

QUESTION = re.compile(r"^(?:so |and |question : )?(?:is|are|was|were|does|do|did|could|can|would|should|what|which|how|who|whose|why|will|has|have)\b")

_SURE = r"(?:absolutely|certainly|definitely|clearly|obviously|surely|of course|very much|probably|most likely)"
_SO = r"(?:he|she|it|they) (?:is|are|was|does|do|did)"
REPLIED = re.compile(
    rf" (?:(?:oh|well|,|{_SURE}) )*(?:(?:no|nope|not|never|(?:quite |on |rather )?the (?:contrary|opposite)|i (?:do not|would not) (?:think|say|believe) so|{_SO} not(?= [.!]| ?$))\b"
    rf"|(yes|yeah|yep|indeed|exactly|correct|i (?:think|would say|believe|guess) so|(?:{_SO}|{_SURE}(?: so| {_SO})?)(?= [.!]| ?$))\b)"
)
"""What follows a question and answers it: group 1 says yes, the rest says no."""

NEGATOR = re.compile(r"\b(?:not|never|nor|neither|without|none|nobody|nothing|no(?! [,;:.!]| $|$))\b(?! (?:sure|certain|to mention)\b)")
NEGATION_BAR = re.compile(
    r" (?:[,;:()]|but|yet|however|although|though|while|so(?= (?:i|he|she|it|they|the|this|my)\b)|whereas|therefore|just|simply|instead|despite|(?<!not )because|and(?= (?:he|she|it|they|is|are|sounds?|seems?) (?!not\b))) "
)
"""What a negation does not reach across."""
AFTER_NEGATION = re.compile(
    r"^ (?:he|she|it|they|this|that|the \w+) (?:is|are|was|were|sounds|seems|does|do) (?:\w+ly )?not(?= [.,;!]| $|$)|"
    r"^ (?:, which )?(?:(?:emotions?|labels?|options?|tone|feeling|here|itself|as an emotion|voice) )?"
    r"(?:(?:is|was|are|were|does|do|did|would|can|could|seems?|appears?|has|may|will|might|to be|be|being|have|been|should) ){0,3}"
    r"(?:(?:clearly|definitely|really|certainly|just|probably|quite|very|highly|rather|also|be|been|therefore|thus|so|seems?|too|completely|entirely|simply) ){0,3}"
    r"(?:(?:not|never) (?:\w+ ){0,2}(?:present|evident|detected|detectable|it|the (?:right|correct|answer|emotion|case|label|one)|heard|there|likely|possible|correct|right|audible|apparent|fit|appear"
    r"|match|seem|an option|expressed|conveyed|visible|found|shown|what|supported|indicated|here|apply|noticeable|accurate|applicable|plausible|felt|in|at all|$|[.,;!])"
    r"|unlikely|not(?= [.;!]| $|$)|out of the (?:question|picture)|out(?= [.,;!]| $|$)|not (?:by|because|since|given|due to)|the (?:very )?last (?:thing|word|emotion|label|adjective|description|term)|absent|excluded|wrong|incorrect|inaccurate|missing|lacking|nowhere|less likely|ruled out|implausible|mistaken|eliminated|false|improbable|discarded|rejected)"
)

LATER = re.compile(
    r"\b(?:ends?(?: up| on| with| in| as)|ended(?: up| on| with| in| as)|ending(?: up| on| with| in| as)|by the end|at the end|in the end|towards? the end|finally|eventually|ultimately"
    r"|finish(?:es|ing)|closes|(?:ends?|finish(?:es)?) by|now) (?:,? ?\w+ ){0,5}$"
)
"""Before the state that the answer ends on, where an earlier one was named. A bare sequence ("shifts from § to §", "§, then §") leaves both standing."""

SIMILE = re.compile(r"\b(?:like|as|that of|voice of) (?:an?|some|someone) (?:\w+ )?$")
"""Before a mention that is said of the speaker after all: "like a § customer"."""

LATER_AFTER = re.compile(r"^ (?:voice |tone )?(?:by|at|towards?|in|near) the (?:very )?end\b")

BEFORE: list[tuple[Pattern[str], float, str]] = [
    (re.compile(rf"\b(?:hints?|traces?|touch(?:es)?|tinges?|under ?tones?|overtones?|undercurrents?|shades?|notes?|whiff|glimmers?|flickers?|edge|streaks?|dash|suggestions?|twinge|pinch|residue|vestiges?|veneer|semblance) of (?:\w+ ){{0,3}}(?:{M} (?:\w+ )?(?:and|or) )*$"), 0.0, "only a hint"),
    (re.compile(r"\b(?:tinged|laced|tinted|colou?red|touched|flavou?red|hinting at|hints at|hint at) (?:with |by )?(?:\w+ ){0,2}$"), 0.0, "only a hint"),
    (re.compile(r"\b(?:pretend(?:s|ing|ed)? (?:to be|that|to)|feign(?:s|ing|ed)|imitat(?:es|ing|ed)|impersonat(?:es|ing|ed)|mimic(?:s|king|ked)|fak(?:e|es|ing|ed)|tr(?:ies|ying|ied) to (?:be|sound|seem|appear|stay|remain|act|look)|wants? to (?:be|sound|seem|appear)) (?:\w+ ){0,3}$"), 0.0, "pretended"),
    (re.compile(r"\b(?:i am|i feel|i was|we are|i felt|i get|i got|i became) (?:(?:so|very|really|just|too|quite|feeling|a|bit|little|extremely|pretty|such|only|still|truly|absolutely|totally|completely|all|both|now|also|always) )*$"), 0.0, "speaks in the first person"),
    (re.compile(r"\b(?:whether|if|unless|in case|suppos(?:e|ing)|imagine|assuming|were (?:he|she|they|the speaker)|had (?:he|she|they|the speaker)) .*$"), 0.0, "a condition"),
    (re.compile(r"\b(?:used to be|(?:one|some|people|many|others|you|they) (?:would|might|could|may) (?:\w+ )?(?:say|call|think|hear|expect|guess|answer|argue|believe)|once|previously|formerly|earlier|thought|guess(?:ed) (?:at )?first|mistaken(?:ly)?(?: for)?|mistake (?:it|this|him|her) for|confused? (?:it )?with|at first(?: glance)?|initially|on the surface|superficially|first impression|considered|might expect|would expect|expecting|expect(?:ed|s)?|supposed to|might seem|may seem|might appear|may appear|may sound|might sound|could seem|could appear|could sound|would seem|seemed|seemingly|tempting to say|typically|usually|often|generally|ordinarily|commonly) (?:\w+ ){0,6}$"), 0.75, "a candidate"),
    (re.compile(r"\b(?:(?:start(?:s|ed)?|beg[ai]ns?|beginning|open(?:s|ed)) (?:(?:out|off) (?:\w+ ){0,3}|(?:(?:as|with|in|by being|on|from being|very|rather|quite|fairly|relatively|a|an|the|perfectly|somewhat) ){0,4})|(?:after|following|before that) (?:(?:being|having been|sounding|an?|the|initial|initially|so|very|at first|previously|he was|she was|they were) ){0,3}(?:\w+ )?)$"), 0.75, "an earlier state"),
    (re.compile(r"\b(?:when(?:ever)?|if) (?:they|people|someone|somebody|you|we|one|a person|humans|speakers) (?:are|is|feels?|gets?|becomes?) (?:\w+ )?$"), 0.15, "a general remark"),
    (re.compile(r"\b(?:people|speakers|humans|voices|listeners|we|you) (?:\w+ ){0,2}?(?:typically|usually|often|generally|ordinarily|commonly|tend|tends|sometimes) (?:\w+ ){0,6}$"), 0.15, "a general remark"),
    (re.compile(r"\b(?:because|due to|caused by|owing to|thanks to|on account of) .*$"), 1.0, "a cause"),
    (re.compile(r"\b(?:although|though|despite|in spite of|albeit|while|whilst|notwithstanding|regardless of|(?<!or )even(?! (?:mix|split|blend|balance|tone|toned|keel|voice|pace|paced|tempo|tempered|calm|keeled|and|delivery|temper))) (?:\w+ ){0,14}$"), 1.0, "a concession"),
    (re.compile(r"\b(?:slightly|somewhat|a bit|a little(?: bit)?(?: of)?|bit of|mild(?:ly)?|some|slight|faint(?:ly)?|part(?:ly|ially)|underlying|secondary|bordering on|verging on|leaning(?: towards?)?|turning|almost|nearly|subtle|subtly|elements? of|a degree of|vaguely|marginally|to a lesser (?:extent|degree)|lesser|secondarily|occasional(?:ly)?|sometimes|moments of|bursts of|less|minor|a tad) (?:\w+ )?$"), 1.25, "in part"),
    (re.compile(r"\b(?:may|might|could|possibly|perhaps|maybe|potentially|possible|conceivably|can be|can|possibility) (?:\w+ ){0,6}$"), 1.5, "hedged"),
]  # fmt: skip
"""What a mention is worth at most, by what stands before it; 2 is a plain claim."""

AFTER: list[tuple[Pattern[str], float, str]] = [
    (re.compile(r"^ (?:(?:level|score|intensity|probability|present) )?[:=] (?:no|none|absent|false|not present|not detected|low|very low|minimal)(?= [.,;}]| $)|^ , (?:none|absent|not (?:present|detected|heard|there))(?= [.,;}]| $)"), 0.0, "denied in a list"),
    (re.compile(r"^ (?:voice )?, but there (?:is|was) (?:none|no trace)\b"), 0.0, "negated"),
    (re.compile(r"^ (?:is|are|can be|may be|remains?) (?:\w+ ){0,2}?(?:hard|difficult|tricky|impossible|tough|not easy|not possible) to (?:detect|identify|hear|tell|recogni[sz]e|determine|judge|assess|infer|distinguish|read|pin|establish|confirm|verify)\b"), 0.0, "within a refusal"),
    (re.compile(r"^ to (?:some|others|one person|another|many|certain)\b"), 0.0, "a general remark"),
    (re.compile(r"^ (?:facade|façade|mask|front|exterior|veneer)\b"), 0.3, "pretended"),
    (re.compile(r"^ (?:voice |tone )?(?:at first|initially|to begin with|(?:at|in|near) the (?:very )?(?:start|beginning|outset))\b"), 0.75, "an earlier state"),
    (re.compile(r"^ (?:(?:was|seemed|felt|sounded) )(?:like )?(?:my|the|an?) (?:very )?(?:first|initial|early|gut) (?:impression|guess|thought|instinct|idea|hunch|reaction|choice)\b"), 0.75, "a candidate"),
    (re.compile(r"^ (?:under ?tones?|overtones?|tinges?|undercurrents?|tinged(?! (?:with|by))|hints?)\b"), 0.0, "only a hint"),
    (re.compile(r"^ (?:(?:(?!(?:the|this|that|these|those|his|her|their|its|my|our|a|an)\b)\w+ )?(?:news|story|stories|tale|memor(?:y|ies)|childhood|events?|birthday|ending|movies?|films?|songs?|music|party|anniversary|holidays?|hour|bosses|boss|customers?|clients?|child|children|kids?|friends?|neighbou?rs?|mother|father|mom|dad|wife|husband|brother|sister|colleagues?|listeners?|audience|crowd|mob|dog|parents?|letter|couple|baby|topic|subject|theme|situation|occasion|thoughts?|background|circumstances?|face|day|days|times|place|hiss|noises?|static|hum|echo|reverb|reverberation|distortion|crackle|buzz|weather|rain|traffic|commuters|passengers|voters|residents|fans|workers|students|employees)\b|days?\b)"), 0.0, "said of something else"),
    (re.compile(r"^ (?:\w+ )?(?:speakers?|person|people|voices?|tone|speech|individuals?|someone) (?:would|typically|usually|often|generally|tends?|is usually|might|could)\b"), 0.15, "a general remark"),
    (re.compile(r"^ (?:\w+ )?(?:words|wording|text|transcript|content|lyrics|sentence|message|statement|language|phrase|phrases|script|vocabulary)\b(?! (?:by|in|with) (?:a|an|his|her|the|their) )"), 0.5, "said of the words"),
    (re.compile(r"^ (?:(?:is|was|would be|seems|might be|could be|may be|are) (?:\w+ )?(?:possible|conceivable|plausible|an option|a possibility|second(?:ary)?|less(?:er)?|weaker|minor)|(?:takes|comes) second)\b"), 1.25, "a candidate"),
]  # fmt: skip

REPORT = re.compile(
    r"(?<!i )(?<!would )(?<!to )(?<!could )(?<!might )"
    r"\b(?!(?:asking|saying|telling|talking|speaking) (?:(?:this|that|it|so|here|now) )?(?:sounds|seems|appears|comes) )(?:says|said|saying|claims|claiming|claimed|tells|telling|told|stat(?:es|ed|ing) (?:that|he|she|they)|stat(?:es|ing)|mentions|mentioned|mentioning|talk(?:s|ing|ed)? (?:about|of)|sp(?:eaks|eaking|oke|eak) (?:about|of)"
    r"|discuss(?:es|ing|ed)|describ(?:es|ing)|recall(?:s|ing|ed)|recount(?:s|ing|ed)|narrat(?:es|ing|ed)|asks|asking|asked|wonders|wondering|admits|admitting|insists|insisting|quotes|quoting|quoted|sings about"
    r"|explain(?:s|ing) (?:that|why|how)|complain(?:s|ing)? (?:about|that)|repeats|the words?|accus(?:es|ing) \w+ of|apologi[sz]es for|thanks|wishes|declares|declaring|announces|announcing|"
    r"professes|professing|assures|assuring|swears|argues that|maintains that|utters|uttering|exclaims|exclaiming|transcript(?: reads| is)?|they say|words are|reads)"
    r"(?! (?:an?|another|the|his|her) (?:\w+ )?$) (?:[\w'§]+ ){0,9}$"
)
REPORT_ENDS = re.compile(
    r" (?:[,;:()]|but|yet|although|though|while|despite|in an?|with|in(?= (?:\w+ )?§)|in (?:his|her|the|their)|(?:\w+ )?(?:tone|voice)|sounding|even|and(?= (?:sounds|seems|appears|comes across|is (?:clearly|obviously|definitely|visibly|audibly))\b)) "
)
VOICE = re.compile(
    r"\b(?:tone|voice|pitch|prosody|delivery|acoustics?|pace|sound|vocal|intonation|speech|way|manner|audio|cues?|recording|tempo|emotion|label) (?:\w+ ){0,2}$"
)
"""Before a verb of saying: then it is the voice that tells, not the words."""

WORDS_SUBJECT = re.compile(
    r"\b(?:words|wording|text|transcript|content|lyrics|sentences?|semantics|meaning|message|statement|literal(?:ly)?|language|phrases?|script|lexical \w+|dialogue|what (?:he|she|they|the speaker) says?|vocabulary|topic|story|lines?)"
    r" (?!.*\b(?:voice|tone|speaker|prosody|delivery)\b)(?:[\w']+ ){0,6}$"
)
OTHERS = re.compile(
    r"\b(?<!of )(?<!like )(?<!this )(?:(?<!^ )(?:someone|somebody)|boss|friends?|mother|mom|mum|father|dad|wife|husband|brother|sister|children|child|kids?|sons?|daughter|customers?|clients?|colleagues?|coworkers?|listeners?|audience|interviewer|neighbou?rs?|teacher|parents?"
    r"|crowd|others|other (?:person|speaker|one|man|woman)|everybody|everyone|music|background|interlocutor|partner|girlfriend|boyfriend|dog|family|people|cat|baby|team|manager|roommate)"
    r" (?:, )?(?:(?:who|that|was|is|are|were|will|would|might|may|has|had|been|have|seems?|sounds?|feels?|gets?|got|became|looks?|being|felt|made|so|very|really|also|not) )+(?:\w+ )?$"
    r"|\b(?:makes?|making|made|keeps?|leaves?) (?:the |his |her |their |its |any )?(?:listeners?|audience|him|her|them|me|us|others|people|everyone|\w+ (?:friend|boss|mother|father|wife|husband|partner)) (?:\w+ )?$"
)
SAME_SUBJECT = re.compile(r"^ (?:(?:and|or|,|because|so|very|too|also|even|both|quite|really) ){0,3}$")
"""Between two mentions that are said of one person."""
ADDRESSEE = re.compile(
    r"\b(?:(?:talk|speak(?!er)|chat|argu|yell|shout|complain|convers|respond|repl|spoke|apologi[sz]|listen)\w* (?:\w+ ){0,2}?(?:to|with|about|at|of|for)"
    r"|(?:interview|address|comfort|consol|confront|interrupt|greet|call|thank|scold|lectur|reassur|ask)(?:s|es|ed|ing)?) "
    r"(?:(?:a|an|the|his|her|another|some|that|this|their|one) )?(?:\w+ )?$"
)
"""The person spoken to or about is not the speaker: matters where the label space is gender."""

CONTRAST = re.compile(
    r" (?:but|however|yet|nevertheless|nonetheless|instead|still ,|whereas|although|though|despite|in fact|actually|in reality|in truth|really|except that|only|only that|on the other hand|on closer listening) "
)
STRONG = re.compile(
    r"\b(?:actually|in fact|in reality|in truth|truly|truthfully|answer (?:is|would be)|answer|final(?:ly)?|therefore|thus|hence|in conclusion|conclusion|conclude(?: that)?|in summary|in short|summary|ultimately|in the end|all in all"
    r"|on balance|all things considered|i (?:would |will )?(?:still |rather |just )?(?:choose|chose|take|pick|picked|select|selected|go (?:with|for)|settled? on|stay with|stick (?:with|to)|opt for|vote for|lean towards?|classify|label|call|guess|say)|going with|best (?:described|characteri[sz]ed|labell?ed|summari[sz]ed|guess|fit|match)"
    r"|overall|most (?:likely|probably|consistent|closely|accurately|prominent|prominently|of all)|more (?:likely|probably|plausibly?|accurately|like)|mostly|mainly|primar(?:y|ily)|predominant(?:ly)?|chiefly|largely|above all|first and foremost|dominant"
    r"|main|principal(?:ly)?|core|strongest|key emotion|now|or rather|i mean|correction|scratch that|wait|on second thoughts?|prevailing|leading|boxed|surely|essentially|genuinely|first choice|underneath|deep down|beneath|true emotion|real emotion|"
    r"(?:turn(?:s|ed)? out|prove[sd]?) to be|(?:that|what|which) (?:still )?remains|remaining(?: \w+)? is|leaves (?:only|just|us with|me with)|(?:all|what) (?:that )?is left|(?:revis|chang|updat|amend|switch|correct)(?:e|es|ed|ing)? (?:(?:it|that|this|myself|my (?:\w+ )?(?:answer|guess|mind|choice|label|vote)|the (?:answer|label)) )?to|classified as|categori[sz]ed as|identified as|labell?ed as|so it is|so this is|so the)\b(?! hints?)"
)
"""What follows is the answer's last or leading word; worth 3."""
STRONG_AFTER = re.compile(
    r"^ (?:(?:emotions?|label|tone|option|feeling|here) )?(?:(?:is|seems?|looks?|sounds?|appears?|fits?|would be|being|as|clearly|to be|still|remains?|feels?|are|may be|might be|probably|much|far|by far|comes|stands|it) ){0,4}(?:the )?(?:my )?"
    r"(?:best|better|more likely|most likely|likeliest|likelier|strong(?:er|est)|dominant|dominat(?:es|ing|ed)|predominat(?:es|ing)|predominant|prevail(?:s|ing)|wins?|winning|final|more (?:plausible|probable|fitting|apt|accurate|prominent|evident|apparent|consistent|convincing|persuasive|compelling|suitable|appropriate|credible|obvious)"
    r"|most (?:\w+)|main|primary|correct|right|out on top|(?<=comes )out|(?<=stands )out|(?<=wins )out|my (?:answer|choice|pick|guess)|answer|overall|over all|above all|it is|leads?|does(?= [.,;!]))\b"
)
KEYED = re.compile(
    r"\b(?:emotions?|label|answer|gender|sex|sentiment|class|category|prediction|predicted|result|verdict|output|conclusion|tone|mood|response|final|speaker|voice|style|affect|choice|arousal|level|accent|type|tag|feeling|guess|classification) (?:label |is |answer |emotion |tag )?[:=] (?:(?:very|the|a|an|quite|clearly|option|[abcdefgh1-9] [).:]) )*$"
)
ENUMERATION = re.compile(
    r"\b(?:options?|choices?|candidates?|possible (?:labels?|emotions?|answers?|class(?:es)?)|categories|choose (?:from|between|among)|choosing (?:from|between|among)|(?:one )?of the following|among(?:st)?|list of|labels|set of|possibilities|between|out of|^of)\b"
)
PREDICATE = re.compile(r"[,:;] (?:\w+ ){0,4}?(?:is|sounds?|seems?|fits?|matches|would be|must be|i) ")
"""Behind a list of options: here the answer itself begins."""
COORDINATION = re.compile(rf"^ (?:(?:,|and|or|nor|&|/|also|both|as well as|plus|{M}|very|a|even|either|extremely|to|mixed with|combined with) )*$")
OR_LIST = re.compile(rf"^ (?:(?:,|{M}|a|an|any|the|very|even) )*(?:or|nor) (?:(?:even|any|the|very|a|an|of) )*$")
AND_DIRECT = re.compile(r"^ (?:and|or|nor|/|vs|vs \.|versus) (?:any |the |even |of )?$")
ALSO = re.compile(r"\b(?:also|too|as well|equally|at the same time|simultaneously|with)\b")
SELF_CORRECTION = re.compile(
    r"(?:^| )(?:no ,|no wait|wait|or rather|i mean|correction|scratch that|on second thoughts?|nope ,|not quite ,|no -|no :|hold on|hang on|nah|nah ,) "
)
CORRECTED = re.compile(
    r"(?: wait| hold on| hang on| scratch that| correction| on second thoughts?| no ,? ?no)(?: ,)?(?: no| not quite| scratch that| hold on)?(?: ,)? [.!] $"
)
"""At the end of a sentence: what stands before it is taken back."""
CORRECTS = re.compile(r"^ (?:(?:oh|no|hm|hmm|ah|er|uh|well|but|,) )*(?:wait|hold on|hang on|scratch that|correction|on second thoughts?|let me correct) ")
"""At the start of a sentence: it takes back what the ones before it said."""
LIKEWISE = re.compile(r"^ (?:is|are|was|were|can|could)? ?[^§]{0,40}?(?:,|and) (?:as|so) (?:is|are|was|were|does|do|can) (?:the |any |also )?$")
"""Between a negated mention and one that shares its fate: "anger is absent, as is disgust"."""
SO_WOULD = re.compile(r"^ so (?:would|is|was|are|does|do|can|could|will) (?:be )?(?:the |any )?§")
"""A sentence that joins its first mention to what the one before denied: "Neutral would be wrong. So would happy."."""
GENERIC = re.compile(
    r"^ (?:(?:speech|voices|utterances) (?:is|are|has|have|tends?|sounds?|often|usually|typically)|(?:people|speakers|talkers) (?:tend|often|usually|typically|sound))\b"
)
"""What follows a mention that is said of such speech at large, where no determiner stands before it: "angry speech is louder"."""
SPECIFIC = re.compile(r"\b(?:he|she|it|they|this|that|here|the (?:\w+ )?(?:speaker|voice|tone|clip|recording|man|woman|person|audio))\b")
"""Between a general remark and a mention that is about the speaker again."""
DETERMINER = re.compile(r"\b(?:the|this|that|his|her|their|its|a|an|such|very|these|those|is|sounds?|with) (?:\w+ )?$")
SEVERAL_SPEAKERS = re.compile(
    r"\b(?:two|three|four|five|several|multiple|many|more than one|various|different) (?:\w+ )?(?:people|speakers|voices|persons|talkers|participants)\b|\beveryone\b|\bhalf of them\b"
)
ONE_OF_SEVERAL = re.compile(
    r"\b(?:one|half|another|some|the (?:first|second|third|other|others))(?: of (?:them|the speakers|whom))? (?:(?:is|are|sounds?|seems?) )?(?:\w+ )?$"
)
"""Where several people speak, what is said of one of them is no answer about the speaker."""
FIRST_GUESS = re.compile(
    r"\b(?:first|initial|early|earlier|preliminary|tentative|previous|original|opening|gut) (?:\w+ )?(?:impression|guess|thought|instinct|idea|hunch|reaction|choice|take|label|answer|reading|assumption|hypothesis) (?:was |is )?(?:[:=,] )?(?:an? |of )?$"
)
"""Before a candidate that the answer goes on from."""
OPENING_CONCESSION = re.compile(
    r"^ (?:while|whilst|although|though|even though|whereas|despite|in spite of|notwithstanding|regardless of) .*? ?, (?=(?:the|his|her|their|its|he|she|it|they|i|this|my|overall|voice|tone|vocal|what)\b)"
)
"""A sentence that opens with a concession, up to where its main clause begins."""
