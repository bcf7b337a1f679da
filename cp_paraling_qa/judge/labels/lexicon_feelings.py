"""English words for feelings and opinions that only answers to be mapped need: rarer words, figures of speech, what a body does.

`feeling_words` has the plain ones and is shared with the filters of questions, where most of these would be noise. The form is the same: a chain of concepts,
finest first; underscores join phrases; a trailing ? marks a word that only hints at the meaning. Collected by hand from everyday English.
"""

from __future__ import annotations

FEELINGS: dict[tuple[str, ...], str] = {
    ("angry",): """
        foul_mood in_a_temper growling? growls? snarling? snarls? up_in_arms short_tempered belligerent confrontational? accusatory? riled riled_up
        at_boiling_point cheesed_off teed_off hacked_off hopping_mad spitting_mad steaming? steamed? hot_under_the_collar blood_boiling boiling?
        blowing_her_top blowing_his_top sees_red saw_red flies_off_the_handle losing_their_temper loses_her_temper loses_his_temper apoplectic irascible
        cantankerous? vitriolic venomous bristling? storming? ranty? rants? rant? cussing? on_the_warpath tantrum? throws_a_fit hits_the_roof hit_the_roof
        ballistic in_a_huff in_a_strop stroppy seeing_red in_a_rage infuriate maddened maddening ireful wroth choleric aggrieved affronted offended? insulted?
        bellicose antagonistic antagonized antagonised combative pugnacious quarrelsome argumentative? defiant? menacing? threatening? murderous? ferocious?
        ferociously? rampaging incandescent tempestuous? vehement? fiery? acerbic? gruff? curt? brusque? raving? provoked? lashing_out lashes_out lashed_out
        bent_out_of_shape short_fuse blew_up blew_her_top blew_his_top blows_up explodes? exploding? exploded? explosive? boils_over boiled_over boiling_over
        simmering? smoldering? smouldering? gritted_teeth? clenched_teeth? gritting_her_teeth? gritting_his_teeth? flipping_out? flipped_out? raised_voice?
        telling_off? chewing_out? tearing_into? losing_it? lost_it? had_a_go_at hate_filled infuriatingly fumed seethes seethed raged bristles? wrathfully
        indignance outrages enrage""",
    ("frustrated", "angry"): """
        at_the_end_of_her_rope at_the_end_of_his_rope out_of_patience losing_patience loses_patience lost_patience losing_her_patience losing_his_patience
        had_enough_of sick_and_tired exasperating stymied driven_up_the_wall up_the_wall? hassled? at_their_wits_end tearing_her_hair_out tearing_his_hair_out
        groans? groaning? had_it_up_to_here exasperate discontented discontent? discontentment end_of_her_tether end_of_his_tether end_of_their_tether
        end_of_the_tether end_of_her_rope end_of_his_rope throws_up_her_hands throws_up_his_hands banging_her_head banging_his_head powerless? helpless?
        helplessness? stonewalled stuck? vexedly overwhelmed? at_breaking_point had_enough? sick_of_it sick_to_death_of""",
    ("sad",): """
        sullen? sulky? distraught choked_up teary_eyed misty_eyed heavy_hearted heavy_heart desolate doleful dolefully inconsolable woebegone cheerless
        dispirited downbeat dismal lamenting? laments? subdued? sniffling? sniffles? gutted holds_back_tears holding_back_tears held_back_tears
        fighting_back_tears fights_back_tears fighting_tears close_to_tears near_tears bursts_into_tears bursting_into_tears burst_into_tears tearing_up
        welling_up choking_up choking_back down_in_the_mouth crushed? shattered? cut_up? broken_up? sounds_blue seems_blue a_bit_blue a_little_blue
        somewhat_blue rather_blue blubbering wailing? wails? whimpering? whimpers? moping mopes homesick? pining? crying_her_eyes_out crying_his_eyes_out
        sorry_for_herself sorry_for_himself bleak? in_floods_of_tears lump_in_her_throat lump_in_his_throat in_a_sulk heart_sank? bawling? bawls? sadden
        saddens dolor dolorous lugubrious lachrymose melancholia plaintive plaintively rueful ruefully remorseful remorse contrite? disconsolate
        disconsolately heartsick heavyhearted low_spirited forsaken? wretched wretchedly wretchedness tragic? tormented? agonized agonised agony? suffering?
        aching? hollow? despairs desperate? desperation? defeated? defeatedly deflated demoralized demoralised dejectedly despondently sobbed cried wept weep
        whimper grieves grieve mourns mourn bereft tear_stained tearstained brink_of_tears? edge_of_tears? moved_to_tears? reduced_to_tears brought_to_tears
        eyes_welling welled_up voice_breaking? voice_breaks? voice_cracks? voice_cracking? in_the_doldrums downtrodden funereal elegiac mirthless stricken?
        sighing? heart_wrenching heartrending heart_rending soul_crushed so_down very_down really_down pretty_down quite_down a_bit_down a_little_down
        rather_down looks_down? seems_down sounding_down seeming_down glumness gloominess mournfulness tearfulness melancholically upsetting? heavyheartedly
        broken_up_inside crumpled? dispiritedly feeling_gutted all_choked_up bluesy? pitiful? pitifully? low_point? nostalgic?""",
    ("happy",): """
        gratified chipper ebullient exultant exultantly rejoicing rejoices buoyant in_good_cheer happy_go_lucky grinning? grins? chirpy perky? jaunty chuffed
        cock_a_hoop pleased_as_punch walking_on_air on_top_of_the_world in_seventh_heaven in_high_spirits in_good_spirits sunshine? radiant? zestful mirth
        mirthful jocular whooping? chortling? chortles? carefree? jumping_for_joy jumps_for_joy in_stitches? blithe blithely bouncy? breezy? peppy sprightly
        vivacious vivaciously vivacity festive? celebratory celebrating? celebrates? triumphant? triumphantly? enchanted? charmed? enraptured rapturous
        rapturously rapture tickled tickled_to_death good_humored good_humoured good_humor good_humour in_great_spirits fun_loving loving_it having_a_blast
        having_a_ball having_a_great_time having_a_good_time happy_camper quite_content very_content so_content perfectly_content looks_content
        appears_content seemed_content contentedness gaiety feel_good elate elates delights cheered cheering? cheers? grinned smiled? beams beamed
        glowing_with_happiness joyfulness joyousness jubilance merriment hilarity felicity gratification gratifying light_of_heart with_a_spring_in_her_step
        with_a_spring_in_his_step full_of_the_joys full_of_beans laughing_with_joy made_her_day made_his_day on_a_high over_joyed sunny_side? sing_song?
        warmhearted? rosy? uplifted? uplifting? pleasantly? bright_and_breezy bright_and_cheery""",
    ("fearful",): """
        terror_stricken panic_stricken creeped_out unnerved scared_witless scared_silly terror_struck fear_stricken quivering? quivers? hysterical? paranoid?
        in_a_panic in_a_cold_sweat heebie_jeebies shaking_like_a_leaf nervy butterflies_in_her_stomach butterflies_in_his_stomach cold_feet? flinching?
        trembling? trembles? shivering? quaking aghast? shaken? frantic? frantically? timorous timorously skittish terrorized terrorised terrify horror_struck
        horror_stricken cower cowers cowered cringing? cowed threatened? unsafe? vulnerable? menaced haunted? rattled? shaky? shakily? quaver? quavering?
        tremulous? tremulously? trembly? white_as_a_sheet heart_pounding? heart_racing? heart_in_her_mouth heart_in_his_mouth knees_knocking
        shaking_in_her_boots shaking_in_his_boots shaking_with_fear freaking_out freaked freaks_out freaking? creeped the_creeps the_willies the_shivers
        wigged_out scaredy_cat spooks spooky? bloodcurdling affrighted in_mortal_terror terrifyingly panicstricken dreaded dread_filled fear_filled scarier?
        running_scared hiding_in_fear pleading_for_her_life pleading_for_his_life mortal_fear""",
    ("surprised",): """
        wide_eyed? startlement caught_by_surprise caught_off_balance off_guard caught_unawares jaw_dropping? gasps? gasping? unexpectedly? dumbstruck
        bowled_over staggered? floored? nonplussed? agog jaw_drops? jaw_dropped? mouth_agape in_shock lost_for_words? did_not_see_it_coming
        does_not_see_it_coming knocked_sideways thrown_off? astonishing? astonishes astonish stupefied stupefaction wonderment? open_mouthed openmouthed
        slack_jawed gaping? gawping? unforeseen? mind_blown mind_boggled boggled blindsided jolted? shell_shocked? shellshocked? dazed? unbelieving
        disbelievingly double_take eyes_wide? wide_eyes? eyebrows_raised? raised_eyebrows? knocked_for_six knocked_for_a_loop thrown_for_a_loop
        out_of_the_blue? unexpected? startles startlingly? astoundment amazedly jaw_on_the_floor dropped_her_jaw eyebrows_shot_up flabbergast flabbergasts
        shockedly wonderstruck awed? stun stuns stop_in_her_tracks? stopped_in_her_tracks? stopped_in_his_tracks? wow? whoa?""",
    ("disgust",): """
        queasy? icky sickening nauseating stomach_turning retching? gagging? gags? gross? grossed yucky ew eww ewww ugh? vile? skeeved skeeved_out
        sick_to_her_stomach sick_to_his_stomach put_off? turned_off? turns_her_stomach turns_his_stomach repelling nausea nauseate nauseates queasiness repels
        repel repulse repulses repulsively abhorrent abhor abominable? detest? detestable loathsome odious? offensive? foul? rancid? putrid? stomach_churning
        sickens sicken blech bleugh bleh? wrinkles_her_nose wrinkles_his_nose wrinkling_her_nose wrinkling_his_nose wrinkled_nose squicked cringe? cringes?
        ick? makes_her_sick makes_him_sick made_her_sick made_him_sick vomit? vomiting? puke? puking? throw_up? throwing_up? distastefully revoltingly
        sick_at_the_thought turned_her_stomach turned_his_stomach churns_her_stomach churns_his_stomach grossing repellent repellant unpalatable?
        squeamishness""",
    ("contempt",): """
        supercilious patronizing? patronising? belittling scoffing? scoffs? disparaging snide snidely snooty looks_down_on looking_down_on looks_down_her_nose
        looks_down_his_nose talks_down_to talking_down_to talking_down? withering? sniffy? superior? holier_than_thou scorning scorns scorned sneers sneered
        sneeringly jeering? jeers? ridiculing? derides deriding derisively snobbish snobby arrogant? arrogance? haughtiness haughtily despises despise
        despising looks_down_upon contemptuousness disdained disdains sniffily""",
    ("calm", "neutral"): """
        unperturbed at_peace unflustered unfazed cool_headed restful soothed even_keeled sedate level_headed? zen? calmed calming? calms composedly coolly
        cool? equable equanimity imperturbable unworried unagitated steadily? stable? patient? patiently? mild? mildly? relaxing? chilled_out chill?
        unbothered unconcerned? sereneness tranquilly tranquillity peaceably cool_calm_and_collected keeps_her_cool keeps_his_cool kept_her_cool kept_his_cool
        keeping_her_cool keeping_his_cool unstressed nerveless stillness? cool_as_a_cucumber like_a_still_lake calming_down? settled? unflappable""",
    ("neutral",): """
        even_toned even_tone level_tone stoic? stoical? bland? robotic? toneless unmoved factual factually informative? unexcited no_strong_emotion plain_tone
        ordinary_tone ordinary_speech level_speech level_voice reserved? inexpressive unexpressive uninflected straight_faced affectless expressionlessly
        unbiased? impartially blank? blankly? run_of_the_mill? nonemotional non_emotional noncommittal? non_committal? objective? objectively? stolid stolidly
        clinical? clinically? prosaic? ordinary? unvarying? unfeeling? no_particular_emotion no_clear_emotion no_obvious_emotion
        no_discernible_emotion no_noticeable_emotion no_real_emotion no_visible_emotion no_detectable_emotion no_distinct_emotion no_marked_emotion
        no_special_emotion devoid_of_emotion devoid_of_feeling void_of_emotion lacking_emotion lacking_in_emotion lacks_emotion lack_of_emotion
        absence_of_emotion absent_of_emotion without_any_emotion without_much_emotion without_emotion emotionally_neutral emotionally_detached newsreader?
        news_reader? reading_a_list? like_a_machine? mechanical? mechanically? undemonstrative unresponsive? even_keel wooden? woodenly? lifeless?
        unaffectedly plain_spoken? plainly?""",
    ("excited", "happy"): """
        amped amped_up raring_to_go keyed_up? buzzing? overexcited jazzed squealing? squeals? bursting_with_anticipation anticipation? can_not_wait?
        breathless? bouncing_off_the_walls bubbling_over? excitable excitably excites revved revved_up electrified? fervent? fervently? fervor? fervour?
        passionate? passionately? zeal? zealous? avid? avidly? on_the_edge_of_her_seat on_the_edge_of_his_seat edge_of_her_seat edge_of_his_seat
        kid_in_a_candy_store gung_ho juiced energized? energised? high_energy? hyper? feverish? itching_to champing_at_the_bit chomping_at_the_bit bursting_to
        looking_forward_to counting_down? over_excited giddiness giddily thrills enthused enthuses enthusing ebulliently buzzed? pumped_about wired?""",
    ("annoyed", "angry", "frustrated"): """
        bugged irksome irk irks tiresome? nettled piqued narked galled rankled peevish peevishly petulant petulantly tetchy crabby crotchety grouchy grouchily
        grouch surly huffy snappish snappy? prickly? put_out? eye_roll? rolls_her_eyes? rolls_his_eyes? rolling_her_eyes? rolling_his_eyes? ratty shirty
        bothered? pestered? vexation vexing irritability ornery waspish grumpily grumpiness displease displeasing""",
    ("disappointed", "sad", "frustrated"): """
        disenchanted disillusioned disillusionment dashed_hopes hopes_dashed underwhelmed letdown let_her_down let_him_down disappointingly disheartening
        disheartenment dismally_let_down""",
    ("happy", "excited"): """
        in_raptures elatedly on_top_form delirious_with_joy deliriously_happy beside_herself_with_joy beside_himself_with_joy""",
    ("anxious", "fearful"): """
        fretful fretting frets fretted fret angst angsty antsy edgy edginess fidgety? fidgeting? worrisome worriment on_tenterhooks pins_and_needles
        highly_strung high_strung overwrought disquiet disquieted perturbed perturbation troubled? flustered? harried? stressed_out uptight unsettled?
        ill_at_ease uncomfortable? discomfort? jitters jitteriness trepidatious bundle_of_nerves nerves? nerve_racked nerve_wracked nerve_racking
        nerve_wracking biting_her_nails biting_his_nails foreboding agitatedly anguishing? tensed? tenseness worriedness nervous_wreck apprehensiveness
        insecurities?""",
    ("bored",): """
        jaded ennui yawning? yawns? weariness? tedium? dull? dully? bored_stiff bored_to_tears going_through_the_motions?""",
    ("tired",): """
        worn_out wiped_out burned_out burnt_out sleepily tiredly knackered bushed dead_on_her_feet dead_on_his_feet groggy groggily drained? exhaustedly
        dog_tired""",
    ("confused",): """
        muddled mystified flummoxed bewilderedly befuddled discombobulated disoriented? disorientated? at_a_loss? scratching_her_head scratching_his_head
        puzzling? perplexity perplexedly baffling bafflingly mixed_up? unclear? stumped?""",
    ("embarrassed",): """
        mortified humiliated humiliation? sheepish sheepishly abashed bashful? bashfully? blushing? blushes? red_faced? awkward? awkwardly? awkwardness?
        chagrin chagrined embarrassedly embarrassing embarrassingly ashamedly shamefaced guilt_ridden""",
    ("jealous",): """
        jealously enviously green_with_envy covetous""",
    ("amused", "happy"): """
        chuckled chuckle tickled_by cracking_up? cracks_up? in_fits_of_laughter laughing_out_loud? snickering? sniggering? tittering? guffaw? guffaws?
        guffawing? finds_it_funny found_it_funny hilarious? humored? humoured?""",
    ("relieved", "happy"): """
        relieved_sigh? sigh_of_relief? weight_off_her_shoulders? weight_off_his_shoulders? phew?""",
    ("grateful", "happy"): """
        appreciatively? thanks? thanking? indebted?""",
    ("affectionate", "happy"): """
        fond? fondly? fondness? adoring? adoringly? caring? endearing? lovey_dovey?""",
    ("female",): """
        femininity ladylike soprano? girlish girly womanish missus madam""",
    ("male",): """
        masculinity baritone? boyish gentlemanly sir? manlike""",
}  # fmt: skip
"""Meaning → words."""

OPINIONS: dict[tuple[str, ...], str] = {
    ("positive",): """
        praise praises praising complimentary compliments? recommend? recommends? love? loves? like? likes? loved? adores? adored? loving? glowing? raves?
        raved? rave? gushes? gushing? gushed? impressed? thumbs_up? superb? brilliant? amazing? awesome? delightful? lovely? perfect? outstanding? approves?
        approval? admiring? admires? recommended? commends? lauds? satisfied? enjoyable enjoyed? enjoys? great? excellent? wonderful? fantastic? upbeat
        optimistic? appreciative enthusiastic?""",
    ("negative",): """
        critical criticism? criticizes criticises criticizing complaint complaints complains? complaining? hate? hates? dislike? dislikes? disliked? hated?
        loathes? loathed? detests? slams? slammed? panned? trashes? trashed? rants? ranted? ranting? moans? moaning? grumbles? grumbling? lousy? dreadful?
        rubbish? disgraceful? worst? boring? mediocre? unimpressed? damning? thumbs_down? disapproves? disapproval? condemns? blames? complained? criticised?
        criticized? terrible? awful? horrible? poor? unhappy? scathing disparaging pessimistic?""",
}  # fmt: skip
"""The same for what somebody thinks of something: where the label space has sentiments."""
