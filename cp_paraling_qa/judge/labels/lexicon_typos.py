"""Which label words are looked for behind a misspelling, and which everyday words look like one but are not."""

from __future__ import annotations

_SPELLED = """
    angry anger angrily furious annoyed annoyance irritated irritation frustrated frustration contempt contemptuous disgust disgusted disgusting anxious
    anxiety nervous worried worry fearful afraid scared frightened terrified panicked excited excitement excitedly thrilled enthusiastic enthusiasm amused
    happy happier happily happiness joyful joyous cheerful cheerfully delighted pleased disappointed disappointment sadness sadly unhappy sorrow sorrowful
    depressed depression gloomy miserable melancholy melancholic tearful surprised surprise astonished amazed shocked startled calmly calmness relaxed
    peaceful neutral neutrality emotionless confused confusion sarcastic sarcasm embarrassed bored boredom female woman women positive negative
    ecstatic elated overjoyed heartbroken exasperated horrified outraged infuriated panicking frightening terrifying
"""
SPELLED = frozenset(_SPELLED.split())
"""Words common enough to be met misspelled. The rare ones ("irked", "stoked") collide with more real words than they are mistyped."""

_NOT_TYPOS = """
    abused exaggerated inebriated overdosed packing testifying alger ander ange angel angler anker announce auger bared beat beats boned booed bord bore borer bores bowed boxed bred cally collusion conclusion
    concussion confession confucian contusion decreased delegated delimited delisted digested digesting discussed discussing disguised disguising disputed
    disputing disrupted disrupting distrusted disused enthusiast enthusiasts excised excrement exited furry gaal gall graceful happ hardiness harpy heer
    herr hippy hiss hoppy irrigate irrigated irrigation lovely maan mann miserables neural neutralise neutralize otter pleaded please pleaser pleases
    pleated prod recieved related relayed reliever sacred sally scaled scarred scored seared shared shocker soared spared stared started stocked surmised
    surpassed terrific testified thriller tied tiered tiled timed tried woken wordy woven wyman
"""
NOT_TYPOS = frozenset(_NOT_TYPOS.split())
"""English words within reach of `SPELLED` or of a doubled letter: found by running the 60,000 most frequent English words through `Vocabulary`, then read by hand."""
