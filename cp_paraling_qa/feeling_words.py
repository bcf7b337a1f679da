"""English words for emotions, gender and sentiment, by meaning: what the label mapper of the judge and the filters of the questions know.

Collected by hand from everyday English and the label sets in `labels.INVENTORIES`; no lexicon was copied. One line per meaning:

    "thrilled, where the label space has excited, means excited; where it has not, happy"   →   ("excited", "happy"): "thrilled …"

Underscores join phrases. A trailing ? marks a word that only hints at the meaning: any plain word in the same answer outweighs it.
Adverbs such as "sadly" and "surprisingly" that speak about the sentence rather than the speaker are left to `judge.labels.cues`.
"""

from __future__ import annotations

WORDS: dict[tuple[str, ...], str] = {
    ("angry",): """
        angry angrier angriest angrily anger angers angered mad madder furious furiously fury enraged infuriates enrages rage raging rageful irate irately livid outraged outrage
        wrathful wrath incensed infuriated infuriating hostile hostility hostilely aggressive? aggression? aggressively? indignant indignantly indignation
        ire seething fuming fumes resentful resentment resentfully hot_tempered ill_tempered bad_tempered cross? heated? pissed pissed_off ticked_off
        worked_up? embittered bitter? bitterness? bitterly? vengeful spiteful hateful hatred? ranting? losing_his_temper losing_her_temper lost_her_temper
        lost_his_temper lost_their_temper seeing_red boiling_with blowing_up? scolding? berating? snapping?""",
    ("annoyed", "angry", "frustrated"): """
        annoyed annoyance annoy annoys annoying irritated irritation irritably irritable irritatedly irritating irritates irritate irked displeased displeasure disgruntled grumpy cranky
        vexed peeved miffed aggravated aggravation agitated? agitation? testy ticked""",
    ("frustrated", "angry"): """
        frustrated frustration frustrations frustratedly frustrating frustratingly frustrates frustrate exasperated exasperation exasperatedly dissatisfied dissatisfaction impatient impatience
        impatiently thwarted fed_up at_her_wits_end at_his_wits_end""",
    ("contempt",): """
        contempt contemptuous contemptuously scorn scornful scornfully disdain disdainful disdainfully condescending condescension contemptible derisive
        derision sneering sneer haughty dismissive? mocking? mockery?""",
    ("disgust",): """
        disgust disgusted disgustedly disgusting disgustingly disgusts repulsed repulsion repulsive revolted revulsion revolting grossed_out nauseated nauseous? sickened repelled
        distaste distasteful loathing loathes aversion abhorrence abhorred abhors repugnance repugnant yuck appalled squeamish""",
    ("anxious", "fearful"): """
        anxious anxiously anxiety anxiousness nervous nervously nervousness worried worriedly worry worries worrying apprehensive apprehension apprehensively
        uneasy uneasily unease uneasiness jittery jumpy on_edge stressed? stress? tense? tension? tensely? concerned? concern? insecure? restless?""",
    ("fearful",): """
        fearful fearfully fearfulness fear fears fearing afraid scared scaredly scare scary? frightened frighten frightens fright frightening frightful terrified terror
        terrifying terrifies horrified horror horrifying panicked panic panicky panicking panics petrified alarmed alarm? dread dreading dreads dreadful? timid? timidly?
        spooked intimidated trepidation scared_stiff scared_to_death freaked_out cowering""",
    ("excited", "happy"): """
        excited excitedly excitement excite exciting thrilled thrill thrilling enthusiastic enthusiastically enthusiasm eager? eagerly? eagerness? exhilarated
        exhilaration exhilarating hyped hyped_up pumped pumped_up psyched stoked exuberant exuberance exuberantly animated? energetic? energetically? giddy
        fired_up""",
    (
        "amused",
        "happy",
    ): "amused amusement amusing amusedly amuse amuses giggle giggled giggling giggles giggly laughing? laughs? laughter? laugh? chuckling? chuckles? entertained playful playfully",
    ("proud", "happy"): "proud? proudly? pride?",
    ("hopeful", "happy"): "hopeful? hopefully? hope? optimistic? optimism? optimistically?",
    ("grateful", "happy"): "grateful? gratefully? gratitude? thankful? thankfully?",
    ("relieved", "happy"): "relieved? relief?",
    ("affectionate", "happy"): "affectionate? affection? affectionately? loving? lovingly? tender? friendly? warm? warmly? warmth?",
    ("happy", "excited"): """
        elated elation overjoyed ecstatic ecstatically ecstasy jubilant jubilation jubilantly euphoric euphoria over_the_moon on_cloud_nine""",
    ("happy",): """
        happy happier happiest happily happiness joy joyful joyfully joyous joyously cheerful cheerfully cheerfulness cheery cheerily cheer delighted delight
        delightedly delightful glad gladly gladness gleeful gleefully glee pleased pleasure content_and contented contentedly contentment jolly jovial
        jovially merry merrily upbeat bubbly beaming blissful bliss sunny? lively? lighthearted light_hearted satisfied satisfaction good_mood great_mood
        high_spirits good_spirits sounds_content seems_content feels_content is_content feeling_content smiling? smiles? smile? tears_of_joy
        crying_with_joy crying_from_joy tickled_pink having_fun enjoying_herself enjoying_himself""",
    (
        "disappointed",
        "sad",
        "frustrated",
    ): "disappointed disappointment disappointedly disappointing disappoints let_down disheartened discouraged dismayed dismay crestfallen",
    ("lonely", "sad"): "lonely loneliness lonesome",
    ("sad",): """
        sad sadder saddest sadness saddened sadly unhappy unhappily unhappiness sorrow sorrowful sorrowfully sorrows depressed depresses depression depressing gloomy
        gloom gloomily miserable miserably misery melancholy melancholic mournful mournfully mourning grief grieving grieved griefstricken grief_stricken
        heartbroken heartache brokenhearted broken_hearted despair despairing despairingly despondent despondency dejected dejection downcast downhearted
        down_hearted bummed bummed_out down_in_the_dumps feeling_down feels_down sounds_down feeling_blue feels_blue feeling_low low_spirits low_mood glum glumly
        woeful woe wistful tearful tearfully teary weepy weeping? weeps? sobbing? sobs? sob? crying? cries? cry? in_tears? on_the_verge_of_tears? joyless
        hopeless? hopelessness? hopelessly? somber sombre morose forlorn blue_mood hurt? upset? distressed? distress? pained? regretful? regret? mopey
        devastated devastating anguished anguish bereaved""",
    ("surprised",): """
        surprised surprise surprises surprisedly surprising? astonished astonishment astonishedly astounded amazed amazes amazement shocked shock shocking startled startle
        startling stunned taken_aback dumbfounded flabbergasted thunderstruck bewildered? bewilderment? incredulous incredulity incredulously disbelief
        disbelieving awestruck speechless gobsmacked blown_away caught_off_guard pleasantly_surprised pleasant_surprise""",
    ("calm", "neutral"): """
        calm calmer calmest calmly calmness relaxed relaxedly relaxation serene serenely serenity peaceful peacefully peace tranquil tranquility placid placidly
        at_ease laid_back composed composure collected unruffled mellow soothing soothingly steady? quiet? gentle? gently? easygoing easy_going unhurried?
        untroubled chilled""",
    ("neutral",): """
        neutral neutrally neutrality emotionless emotionlessly unemotional unemotionally matter_of_fact deadpan expressionless monotone? monotonous? flat?
        flatly? dispassionate dispassionately impassive impassively detached? indifferent? indifference? apathetic? apathy? unaffected? impartial
        nonchalant? businesslike? serious? seriously? casual?
        emotionally_flat even_tempered""",
    ("bored",): "bored boredom boredly uninterested disinterested? unenthusiastic? weary? wearily? listless?",
    ("tired",): "tired tiredness fatigued fatigue exhausted exhaustion sleepy drowsy",
    ("confused",): "confused confuse confusing confusion confusedly puzzled puzzlement perplexed baffled bafflement",
    ("sarcastic",): "sarcastic sarcasm sarcastically ironic ironically irony",
    ("embarrassed",): "embarrassed embarrassment ashamed shame guilt guilty guiltily",
    ("jealous",): "jealous jealousy envious envy",
    ("curious",): "curious curiosity curiously",
    ("female",): "female females woman women lady ladies girl girls gal feminine womanly lass she? her? hers? herself?",
    ("male",): "male males man men guy guys boy boys gentleman gentlemen dude masculine manly bloke fellow chap chaps lad lads he? him? his? himself?",
    ("positive",): "positive positively positivity favorable favourable favorably favourably pleasant? good? approving?",
    ("negative",): "negative negatively negativity unfavorable unfavourable unfavorably unpleasant? bad? pessimistic pessimism disapproving?",
}
