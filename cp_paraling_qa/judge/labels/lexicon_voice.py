"""English words for what voices do besides feeling: pace, loudness, style, age, accent, certainty, manners, kind of utterance.

One group per question that a label space may ask. The words of a group speak only where the space asks its question, so that "slowly" says nothing about an
emotion. Collected by hand from everyday English. The form is that of `feeling_words`: a chain of concepts, finest first; a trailing ? marks a hint.
"""

from __future__ import annotations

from cp_paraling_qa.judge.labels.lexicon_feelings import FEELINGS, OPINIONS

MODERATE = "moderate"
"""The middle of several scales: alone it does not tell which question the space asks."""

_PLACES = {
    "american": "american americans america usa u_s_a united_states north_american general_american us_english us_accent",
    "british": "british britain uk u_k united_kingdom england received_pronunciation english? brit cockney estuary_english",
    "indian": "indian india south_asian",
    "australian": "australian australia aussie",
    "canadian": "canadian canada",
    "irish": "irish ireland",
    "scottish": "scottish scotland scots",
    "welsh": "welsh wales",
    "new zealand": "new_zealand kiwi",
    "south african": "south_african south_africa",
    "singaporean": "singaporean singapore singlish",
    "filipino": "filipino philippine philippines",
    "nigerian": "nigerian nigeria",
    "english": "english anglophone",
    "german": "german germany",
    "french": "french france",
    "spanish": "spanish spain castilian",
    "italian": "italian italy",
    "portuguese": "portuguese portugal",
    "dutch": "dutch netherlands",
    "russian": "russian russia",
    "chinese": "chinese china mandarin",
    "cantonese": "cantonese hong_kong",
    "japanese": "japanese japan",
    "korean": "korean korea",
    "malay": "malay malaysian malaysia",
    "indonesian": "indonesian indonesia",
    "tamil": "tamil",
    "hindi": "hindi",
    "arabic": "arabic arab",
}

VOICE_WORDS: dict[str, dict[tuple[str, ...], str]] = {
    "feeling": FEELINGS,
    "sentiment": OPINIONS,
    "pace": {
        ("slow",): "slow slowly slower slowest slowness slow_paced unhurried unhurriedly drawling dragging sluggish sluggishly leisurely lethargic? measured?",
        ("fast",): "fast faster fastest quick quickly quicker rapid rapidly rapid_fire hurried hurriedly rushed rushing brisk briskly speedy fast_paced hasty hastily swift swiftly racing",
        (MODERATE,): "moderate moderately average medium normal regular? ordinary? steady?",
    },
    "level": {
        ("high",): "high higher highest highly? elevated raised increased strong? intense? energetic?",
        ("low",): "low lower lowest reduced lowered decreased weak? subdued?",
        (MODERATE,): "moderate moderately average medium mid middle normal intermediate",
    },
    "loudness": {
        ("loud",): "loud louder loudly loudest booming thunderous deafening high_volume shouting? yelling?",
        ("quiet", "soft"): "quiet quieter quietly softly soft_spoken faint faintly hushed low_volume whispering? murmuring?",
        ("soft", "quiet"): "soft softer gentle? gently?",
        (MODERATE,): "moderate average medium normal",
    },
    "style": {
        ("whispering",): "whisper whispers whispered whispering whispery in_hushed_tones under_her_breath under_his_breath breathy?",
        ("shouting",): "shout shouts shouted shouting yell yells yelled yelling scream screams screamed screaming holler hollering bellow bellows bellowing bawling",
        ("singing",): "sing sings sang sung singing song? melody? melodic? croon crooning chant? chanting? humming?",
        ("laughing",): "laugh laughs laughed laughing laughter giggle giggles giggling chuckle chuckles chuckling",
        ("crying",): "cry cries cried crying sob sobs sobbing weep weeps weeping",
        ("mumbling",): "mumble mumbles mumbled mumbling mutter mutters muttering",
        ("speaking", "normal"): "spoken speaking? normal_speech normal_speaking plain_speech ordinary_speech regular_speech conversational talking? normal_voice ordinary_voice regular_voice normal_volume normal_way normal_tone",
        ("normal", "speaking"): "normal normally",
    },
    "age": {
        ("child", "young"): "child children childlike childish kid kids toddler infant baby little_boy little_girl young_boy young_girl small_boy small_girl schoolboy schoolgirl boy girl preschooler",
        ("teenager", "young"): "teenager teenagers teen teens teenage adolescent adolescents youth? teenaged",
        (
            "young adult",
            "young",
            "adult",
        ): "young_adult young_adults young_man young_woman young_lady young_guy young_person in_his_twenties in_her_twenties in_their_twenties twenties 20s college_student",
        ("young",): "young younger youngster youthful",
        (
            "middle aged",
            "adult",
        ): "middle_aged middle_age midlife thirties? 30s? forties 40s fifties 50s in_his_forties in_her_forties in_their_forties in_his_fifties in_her_fifties",
        ("elderly", "old", "senior"): "elderly senior senior_citizen seniors sixties? 60s? seventies 70s eighties 80s nineties pensioner aged? advanced_age",
        ("old", "elderly", "senior"): "old older old_man old_woman old_lady old_person grandmother grandfather grandma grandpa",
        ("adult",): "adult adults grown_up grown_man grown_woman mature?",
    },
    "place": {tuple(name.split("/")): words for name, words in _PLACES.items()},
    "certainty": {
        ("confident",): "confident confidently confidence self_confident self_confidence self_assured self_assurance assured assuredly sure? certain? decisive decisively resolute resolutely firm? firmly? assertive assertively unhesitating unwavering",
        (
            "hesitant",
        ): "hesitant hesitantly hesitation hesitations hesitancy hesitating hesitates unsure uncertain uncertainly uncertainty insecure insecurity tentative tentatively wavering faltering falters stammering? stammers? stuttering? stutters? doubtful doubt? timid? shy? unconfident indecisive self_conscious? reluctant? halting? haltingly?",
    },
    "sincerity": {
        ("sarcastic", "insincere"): "sarcastic sarcasm sarcastically ironic ironical ironically irony sardonic sardonically mocking? mockingly? snarky wry? tongue_in_cheek",
        ("insincere", "sarcastic"): "insincere insincerely insincerity fake? disingenuous phony",
        ("sincere",): "sincere sincerely sincerity genuine genuinely earnest earnestly honest? honestly? heartfelt wholehearted serious? seriously? straightforward? literal? literally?",
    },
    "truth": {
        ("deceptive",): "deceptive deception deceitful lying liar dishonest dishonestly untruthful insincere? lie lies deceiving",
        ("truthful",): "truthful truthfully honest honestly honesty telling_the_truth tells_the_truth sincere?",
    },
    "manners": {
        ("polite",): "polite politely politeness courteous courteously courtesy respectful respectfully civil well_mannered gracious graciously considerate?",
        ("rude",): "rude rudely rudeness impolite impolitely disrespectful disrespectfully discourteous insolent ill_mannered bad_mannered unmannerly insulting? brusque? curt?",
    },
    "warmth": {
        ("friendly",): "friendly friendliness amiable amicable amicably kind kindly kindness warm warmly warmth welcoming cordial genial good_natured",
        ("unfriendly",): "unfriendly unfriendliness cold coldly coldness icy frosty unkind hostile? distant? aloof?",
    },
    "form": {
        ("formal",): "formal formally formality official? ceremonious businesslike?",
        ("informal",): "informal informally casual casually colloquial colloquially slangy chatty? relaxed?",
    },
    "utterance": {
        ("question",): "question questions questioning ask asks asked asking inquiry enquiry inquiring inquires interrogative wonders? wondering?",
        ("statement",): "statement statements states stating declarative declares declaring assertion asserts remark?",
        ("command", "order"): "command commands commanding imperative instruction instructs instructing order orders ordering orders_someone demand? demands? demanding?",
        ("request",): "request requests requesting plea? pleads? pleading? begs?",
        ("exclamation",): "exclamation exclaims exclaiming exclamatory",
    },
    "drink": {
        ("drunk",): "drunk drunken intoxicated inebriated tipsy slurred? slurring? slurs?",
        ("sober",): "sober soberly not_drunk",
    },
    "engagement": {
        ("interested", "engaged"): "interested interest engaged engagement attentive curious keen? invested? absorbed",
        ("engaged", "interested"): "engaged engaging engagement",
        ("bored", "disengaged"): "bored boredom boredly uninterested disinterested unengaged disengaged listless? monotonous?",
    },
}  # fmt: skip
