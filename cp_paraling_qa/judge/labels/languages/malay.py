"""Malay; most of it holds for Indonesian too."""

from __future__ import annotations

from cp_paraling_qa.judge.labels.languages.language import Language

_WORDS = {
    "sad": """
        sedih~ kesedihan~ bersedih menyedihkan sedihnya duka berduka dukacita pilu kepiluan murung kemurungan sayu sebak muram muramnya hiba kesayuan kehibaan nestapa kedukaan sendu merana
        menderita sugul bermuram_durja muram_durja patah_semangat remuk_hati hancur_hati luluh_hati galau terharu_sedih susah_hati sedih_hati berat_hati masygul gundah gundah_gulana
        rawan pedih_hati berkabung meratap ratapan sedihlah kesusahan_hati kepedihan sedu hancur_luluh kesedihannya walang sedey sdih
        frust_menonggeng terkilan rundung suram kemuraman mellow baper lara sengsara nelangsa terpuruk remuk""",
    "hatred": "benci kebencian membenci",
    "offended": "tersinggung",
    "emotionless": "tidak_beremosi tak_beremosi tidak_menunjukkan_emosi tidak_menunjukkan_apa_apa_emosi tidak_memihak tidak_berperasaan tiada_emosi_yang_jelas tiada_emosi_ketara tiada_emosi_khusus tidak_ada_emosi gak_ada_emosi tak_ada_emosi tanpa_perasaan tiada_perasaan kosong_tanpa_emosi tanpa_apa_apa_emosi tiada_apa_apa_emosi tanpa_ekspresi tanpa_riak",
    "astonished": "tak_sangka tidak_menyangka tidak_sangka tak_menyangka",
    "disbelief": "tak_percaya tidak_percaya seakan_tidak_percaya seperti_tidak_percaya",
    "composed": "tidak_tergesa_gesa tidak_gopoh",
    "tearful": """
        menangis tangisan tangis teresak_esak tersedu_sedu tersedu sedu_sedan bergenang_air_mata air_mata menitiskan_air_mata hampir_menangis nak_menangis mahu_menangis macam_nak_menangis nak_nangis nangis
        bercucuran_air_mata meraung meraung_raung terisak terisak_isak berkaca_kaca menahan_tangis menahan_air_mata berlinang_air_mata berlinangan menahan_sebak suara_serak_menahan_tangis""",
    "sighing": "mengeluh keluhan menghela_nafas_panjang",
    "hurt": "terluka kecil_hati makan_hati merajuk terasa_hati berkecil_hati sakit_hati_sedih tersinggung_sedih jauh_hati",
    "heartbroken": "patah_hati putus_asa putus_harapan",
    "angry": """
        marah~ kemarahan~ memarahi dimarahi pemarah berang geram kegeraman naik_angin meradang bengang murka amarah naik_darah panas_hati mengamuk baran panas_baran naik_minyak menyinga mendidih
        mendidih_darah darah_mendidih naik_pitam marah_marah membara menyirap berapi_api_marah bengis membentak bentakan mengherdik herdikan menengking tengkingan herdik tengking memaki_hamun memaki maki_hamun
        membebel_marah berangin angin_satu_badan hangin angin_dia_naik membengang bengkeng radang keberangan kegusaran gusar emosi_marah ngamuk dongkol mangkel sewot geramnya murkanya dendam
        berdendam sakit_hati mrh marahh marahnye sentap_marah panas_kepala muka_merah_padam merah_padam hilang_sabar_dan_marah ngegas menghambur_marah berbulu kemurkaan
        kegeramannya menggertak naik_berang gemas_marah naik_hantu""",
    "scolding": "menghamun leteran berleter membebel bebelan mengomel ngomel omelan",
    "annoyed": "jengkel kesal meluat_sedikit rimas kejengkelan kekesalan menyampah sebal bete annoyed tak_puas_hati tidak_puas_hati naik_rimas kerimasan jelik merungut rungutan terganggu kegusaran_sedikit",
    "impatient": "tidak_sabar tak_sabar hilang_sabar hilang_kesabaran kehilangan_kesabaran",
    "complaining": "mengadu aduan komplen",
    "frustrated": "kecewa_dan_marah frustrasi frustasi frust tension buntu kebuntuan hampa_dan_geram frustrated kekecewaan_dan_kemarahan putus_akal mati_akal stres_dan_kecewa kekesalan_dan_kecewa",
    "happy": """
        gembira~ kegembiraan~ bahagia kebahagiaan ceria keceriaan riang girang seronok keseronokan senang_hati sukacita bergembira suka_hati kegirangan riang_gembira happy gumbira hepi suka_ria bersukacita kesukaan
        berseri_seri berbunga_bunga hati_berbunga keriangan keseronokannya suka_cita berbesar_hati gelak_ketawa_gembira puas_hati berpuas_hati kepuasan senangnya senang_sekali senang_banget seneng syok
        enjoy gembiranya kesenangan_hati tersenyum_gembira riangnya berbahagia bersuka_ria girangnya sumringah senang sukaria sorak_sorai gembire happynya""",
    "ecstatic": "kegembiraan_melampau melonjak_kegembiraan melonjak_gembira teramat_gembira seronok_gila kesukaan_melampau",
    "smiling": "tersenyum senyuman senyum tersengih",
    "amused": "terhibur geli_hati lucu kelakar menghiburkan",
    "proud": "bangga kebanggaan",
    "hopeful": "berharap harapan penuh_harapan optimis",
    "lively": "rancak lincah",
    "grateful": "bersyukur syukur berterima_kasih",
    "excited": """
        teruja keterujaan bersemangat ghairah berkobar_kobar semangat penuh_semangat bersemangat_waja antusias antusiasme excited eksaited teruja_sangat tidak_sabar_sabar tak_sabar_sabar
        kegembiraan_yang_meluap berapi_api keghairahan menggebu_gebu semangatnya keterujaannya heboh bergairah bertenaga""",
    "fearful": """
        takut~ ketakutan~ gerun seram panik menakutkan gentar kegerunan kepanikan kegentaran menggigil_ketakutan ngeri kengerian kecut kecut_perut seriau takot gugup_ketakutan takutkan bergidik keseraman
        terketar_ketar_ketakutan trauma fobia rasa_takut naik_bulu_roma meremang meremang_bulu_roma bulu_roma_meremang ditakuti takut_takut waswas_takut teror ngeri_ngeri lari_ketakutan""",
    "trembling": "menggigil terketar_ketar terketar ketar gementar_badan bergetar gemetar",
    "anxious": """
        cemas kecemasan bimbang kebimbangan risau kerisauan gementar gugup khuatir khawatir gelisah resah kegelisahan keresahan kegugupan kekhuatiran kekhawatiran tidak_tenang tak_tenang tidak_tenteram was_was cuak gabra
        gelabah menggelabah nervous nerves deg_degan berdebar berdebar_debar tidak_senang_duduk tak_senang_duduk resah_gelisah serba_tak_kena panas_punggung""",
    "stressed": "stress stres tertekan tekanan tegang ketegangan",
    "surprised": """
        terkejut kejutan terperanjat hairan kehairanan kaget terpegun terkesima tercengang ternganga terbeliak terbeliak_mata terlopong terpinga_pinga terkedu tergamam takjub ketakjuban kagum_hairan 
        terkejut_beruk terperangah melongo syok_terkejut heran keheranan keterkejutan kekagetan
        shock terkejutnya terkezut terkjut bagai_disambar_petir mulut_ternganga terbelalak takjubnya""",
    "disgust": """
        jijik kejijikan menjijikkan meluat muak geli_geleman mual geli_jijik loya meloyakan nak_muntah hendak_muntah rasa_nak_muntah memualkan mau_muntah pengen_muntah jijiknya meluatnya kemuakan najis jelek_hati
        rasa_mual kemualan ilfeel menjijikan jelak jijik_sangat enek tekak_loya""",
    "contempt": """
        menghina penghinaan mencemuh cemuhan memandang_rendah sinis memandang_hina pandang_rendah pandang_hina merendah_rendahkan merendahkan meremehkan memperlekeh memperlekehkan menjelekkan hinaan
        kesinisan meremehkannya meremeh_remehkan memperkecilkan mengecilkan_orang remeh rendahkan_orang memperleceh memandang_sebelah_mata pandang_sebelah_mata penuh_penghinaan cibiran mencibir mencebik
        mencemikkan_muka mencebikkan_bibir jijik_dan_hina menista keji mengejinya memandang_remeh melecehkan""",
    "mocking": "mengejek ejekan mempersenda persendaan mempersendakan memperolok memperolokkan perlian memerli perli",
    "arrogant": "sombong angkuh bongkak berlagak keangkuhan kesombongan",
    "calm": """
        tenang~ ketenangan~ santai aman damai tenteram rileks relaks relax bersahaja_tenang tenang_tenang_sahaja kalem kedamaian selamba_tenang terkawal stabil bertenang menenangkan setenang
        tentram chill steady kesantaian ketenteraman kepala_dingin berkepala_dingin adem tnang teduh""",
    "neutral": """
        neutral netral berkecuali biasa_sahaja biasa_saja bersahaja tanpa_emosi tiada_emosi mendatar datar objektif biasa_je biasa_aja biasa_jer
        nada_biasa selamba acuh_tak_acuh lempeng flat neutralnya 
        seperti_biasa muka_selamba neutrl""",
    "indifferent": "tidak_kisah tak_kisah tidak_peduli tak_peduli tidak_ambil_peduli cuek sambil_lewa endah_tak_endah",
    "monotone": "monoton senada",
    "robotic": "macam_robot seperti_robot",
    "disappointed": "kecewa kekecewaan hampa kehampaan dikecewakan mengecewakan frust_dan_kecewa dukacita_dan_hampa kecewanya kiciwa",
    "bored": "bosan kebosanan jemu membosankan kejemuan boring jenuh bosannya tidak_berminat tak_berminat tidak_minat tiada_minat tak_minat hilang_minat acuh_bosan kurang_minat kurang_berminat tidak_tertarik tak_tertarik",
    "interested": "berminat minat tertarik ingin_tahu teruja_ingin_tahu rasa_ingin_tahu penuh_minat penuh_perhatian ketertarikan",
    "tired": "penat letih keletihan lelah kepenatan capek lesu kelesuan mengantuk",
    "confused": "keliru kekeliruan bingung kebingungan pening blur tertanya_tanya",
    "sarcastic": "sarkastik sindiran menyindir ironi sarkas sarkasme sindir menyindir_nyindir nyindir sinikal",
    "sincere": "ikhlas jujur tulus ketulusan keikhlasan sepenuh_hati seikhlas_hati tulus_ikhlas dengan_jujur",
    "relieved": "lega kelegaan melegakan",
    "embarrassed": "malu segan memalukan rasa_bersalah bersalah",
    "jealous": "cemburu iri iri_hati dengki",
    "hesitant": "teragak_agak ragu_ragu ragu tersekat_sekat tergagap_gagap gagap terbata_bata was_was_ragu tidak_yakin tak_yakin kurang_yakin keraguan keragu_raguan serba_salah",
    "confident": "yakin keyakinan berkeyakinan penuh_yakin percaya_diri pede tegas berani yakin_diri keyakinan_diri keyakinan_tinggi pasti_diri",
    "positive": """
        positif pujian memuji puji memuji_muji dipuji bagus_sekali sangat_bagus terbaik terbaekkk berbaloi berbaloi_sangat puas_hati_sangat sangat_disyorkan disyorkan mengesyorkan memuaskan cemerlang hebat_sangat
        lima_bintang 5_bintang recommended memberangsangkan""",
    "recommend": "syorkan rekomen rekomendasi sarankan",
    "good": "bagus baik best mantap mantul keren hebat sedap padu",
    "likes": "suka menyukai gemar",
    "negative": """
        negatif kritikan mengkritik kutukan mengutuk tidak_berbaloi tak_berbaloi tidak_bagus tak_bagus tidak_disyorkan tidak_mengesyorkan mengecewakan_sangat tidak_memuaskan tak_memuaskan kecaman mengecam
        menyesal_beli menyesal tidak_puas tak_puas tak_rekomen tidak_rekomen satu_bintang tidak_suka tak_suka ga_suka gak_suka tidak_baik kurang_memuaskan tak_recommend buang_duit""",
    "terrible": "teruk buruk hancur hampeh sampah jelek parah",
    "female": """
        perempuan wanita gadis puan cewek kakak makcik mak_cik ibu_ibu perempuanlah wanitanya gadisnya seorang_kakak cik_puan awek minah amoi perempuannya cik betina nenek nona kaum_hawa""",
    "little girl": "budak_perempuan anak_perempuan kanak_kanak_perempuan gadis_kecil gadis_cilik",
    "male": "lelaki laki_laki pria jejaka encik pakcik pak_cik abang cowok laki mamat pemuda teruna lelakilah lelakinya cowo kaum_adam mas jantan bapak_bapak atuk datuk bujang lelaki_dewasa",
    "little boy": "budak_lelaki anak_lelaki kanak_kanak_lelaki bocah_laki_laki anak_laki_laki",
    "whispering": "berbisik bisikan membisik bisik bisik_bisik berbisik_bisik membisikkan",
    "shouting": "menjerit jeritan berteriak teriakan jerit menjerit_jerit teriak melaung laungan memekik pekikan bertempik tempikan menempik terpekik terjerit meninggikan_suara meninggi tinggi_suara berteriak_teriak",
    "singing": "menyanyi nyanyian bernyanyi nyanyi",
    "laughing": "ketawa tertawa gelak tergelak gelak_ketawa terbahak_bahak hilaian mengekek tawa ketawanya",
    "slow": "perlahan lambat perlahan_lahan pelan",
    "quick": "cepat pantas laju deras tergesa_gesa",
    "loud": "kuat lantang nyaring keras",
    "quiet": "senyap sunyi",
    "high": "tinggi",
    "low": "rendah",
    "medium": "sederhana sedang_sedang",
    "child": "budak kanak_kanak budak_kecil kanak",
    "elderly": "tua warga_emas lanjut_usia",
    "young": "muda belia",
    "teenager": "remaja",
    "polite": "sopan beradab bersopan santun sopan_santun berbudi_bahasa hormat kesopanan sopan_sangat",
    "rude": "biadab kasar kurang_ajar kurang_sopan tidak_sopan tak_sopan kebiadaban tidak_beradab tak_beradab celupar lancang",
    "friendly": "mesra ramah peramah ramah_mesra kemesraan",
    "formal": "formal rasmi",
    "informal": "tidak_formal tak_formal tidak_rasmi tak_rasmi",
    "question": "soalan pertanyaan",
    "drunk": "mabuk",
    "yes": "ya",
}
_FRAME = {
    "not": """
        tidak tak tiada bukan bukannya bukanlah tidaklah takkan belum jangan enggak nggak ga gak ngga tk takde tak_ada tidak_ada tiadalah tidak_pula bukan_pula tak_pula tidak_juga bukan_juga tidak_pernah tak_pernah
        tidak_menunjukkan tidak_kedengaran tidak_kelihatan tak_nampak tidak_nampak tak_dengar usah tidak_sedikit_pun tidak_ada_tanda bukan_kerana bukan_sebab jauh_sekali mustahil ndak kagak takda xde x_ada xda""",
    "not<": "pun_tidak pun_bukan pun_tiada pun_tak pun_tak_ada langsung_tiada langsung_tak_ada langsung_tidak_ada tidak_sama_sekali tiada_langsung tak_ada_langsung tidak_sekali_kali tidaklah_pula pun_tidak_ada tak_langsung",
    "no longer": "tidak_lagi bukan_lagi tak_lagi sudah_tidak dah_tak udah_nggak",
    "not only": "bukan_sahaja bukan_saja tidak_hanya bukan_hanya bukan_setakat",
    "by no means": "sama_sekali_tidak langsung_tidak tidak_langsung sama_sekali_bukan langsung_bukan bukan_langsung sedikit_pun_tidak sedikitpun_tidak langsung_tak jauh_sekali_daripada",
    "anything but": "apa_sahaja_kecuali",
    "far from": "jauh_daripada jauh_dari",
    "hardly": "hampir_tidak nyaris_tidak",
    "nor": "mahupun maupun",
    "without": "tanpa",
    "instead of": "dan_bukan dan_bukannya berbanding selain ketimbang alih_alih",
    ", not": "mengatasi melebihi",
    "surely": "tidak_syak_lagi tanpa_ragu tanpa_keraguan pastinya memang sudah_pasti sah_sah semestinya tak_syak_lagi confirm sah dah_tentu sudah_tentu tentunya pasti_sekali tidak_dinafikan",
    "shows": "menunjukkan menyatakan menggambarkan mempamerkan meluahkan mengekspresikan mencerminkan melahirkan menzahirkan memperlihatkan menandakan menampakkan mengandungi penuh_dengan dipenuhi sarat_dengan menyerlahkan terserlah terpancar memancarkan menyuarakan membayangkan nunjukin",
    "instead": "sebaliknya malah malahan",
    "but": "tetapi tapi namun akan_tetapi melainkan cuma tp cuman cumanya walhal padahal namun_begitu namun_demikian hanya_sahaja cuma_sahaja sebaliknya_dia",
    "although": "walaupun meskipun sungguhpun biarpun walau kendatipun sekalipun meski sungguh_pun biar_pun walau_pun kendati",
    "while": "manakala sedangkan sementara",
    "because": "kerana sebab karena disebabkan gara_gara",
    "therefore": "oleh_itu jadi maka kesimpulannya secara_keseluruhan keseluruhannya secara_keseluruhannya rumusannya pendek_kata oleh_sebab_itu konklusinya secara_amnya",
    "actually": """
        sebenarnya sesungguhnya hakikatnya rupanya rupa_rupanya ternyata realitinya pada_hakikatnya sebetulnya aslinya selepas_didengar_semula setelah_didengar_semula bila_dengar_semula bila_didengar_semula
        dengar_semula didengar_semula setelah_diteliti selepas_diteliti setelah_mendengar_semula dalam_hati jauh_di_sudut_hati di_sebalik_itu apabila_didengar_semula dengar_sekali_lagi setelah_didengar_betul_betul
        bila_dengar_betul_betul yang_sebenar sebenar setelah_didengar_lagi tepatnya""",
    "final": "akhirnya pada_akhirnya akhir_sekali jawapan_akhir di_akhir pada_akhir penghujungnya di_penghujung pada_penghujung ujung_ujungnya last_last muktamad",
    "initially": "pada_mulanya mulanya awalnya pada_awalnya dahulu mula_mula mula_mulanya pada_permulaan permulaannya di_awal pada_awal sekali_dengar sekali_imbas pada_pendengaran_pertama mulai_mulanya semula_jadinya dari_awal",
    "thought": "ingat ingatkan sangka sangkakan menyangka menyangkakan disangka kukira mengira kirain saya_ingat disangkakan ingtkan hampir_memilih hampir_pilih nak_pilih",
    "i choose": "saya_pilih pilih memilih saya_memilih tukar_kepada ubah_kepada menukar_kepada dikategorikan_sebagai diklasifikasikan_sebagai dikelaskan_sebagai",
    "on the surface": "luarannya pada_zahirnya zahirnya di_permukaan secara_luaran dari_luar",
    "most likely": "kemungkinan_besar berkemungkinan_besar paling_mungkin besar_kemungkinan paling_tepat paling_sesuai paling_hampir lebih_kepada lebih_ke_arah lebih_cenderung_kepada",
    "mostly": "terutamanya kebanyakannya utamanya lebih_banyak paling_dominan dominannya",
    "probably": "agaknya rasanya mesti harus kayaknya kelihatannya sepertinya kayak",
    "maybe": "mungkin barangkali kemungkinan mungkinlah berkemungkinan entah_entah mgkn mungkinkah kot bisa_jadi ada_kemungkinan",
    "could": "boleh_jadi",
    "slightly": "sedikit agak_sedikit sikit sedikit_sebanyak",
    "a hint of": "sedikit_tanda secebis tanda tanda_tanda unsur sekelumit bibit_bibit",
    "sometimes": "kadang_kadang kadangkala adakalanya sesekali",
    "very": "sangat amat sungguh begitu terlalu agak cukup jelas betul_betul benar_benar sekali amatlah sgt sangatlah teramat gila banget banget_banget bukan_main bukan_kepalang tak_terkata tidak_terkata tidak_terhingga tak_terhingga betul jelas_sekali sungguh_sungguh melampau nyata super habis",
    "and": "dan serta dn",
    "or": "atau ataupun atau_pun",
    "whether": "sama_ada samada adakah apakah apa_kah",
    "if": "jika kalau sekiranya andai seandainya",
    "that": "bahawa bahwa yang yg",
    "i": "saya aku gua gue sy",
    "we": "kami kita",
    "you": "anda awak kamu kau",
    "she": "dia beliau ia",
    "the": "si para",
    "this": "ini itu ni tu",
    "is": "ialah adalah merupakan berada diselubungi dilanda dirundung",
    "it sounds": "kedengaran terdengar berbunyi kedengarannya bunyinya bunyi dengarnya kedengaranlah didengar dengar",
    "seems": "nampak kelihatan seolah_olah tampak seperti macam mcm nampaknya seakan seakan_akan seolah bagaikan bak nmpk",
    "feels": "berasa merasa rasa merasakan rasanya_dia ngerasa",
    "speaks": "bercakap berbicara bertutur berucap ngomong cakap_dengan",
    "voice": "suara suaranya suranya",
    "tone": "nada nadanya intonasi intonasinya lenggok_suara gaya_percakapan",
    "emotion": "emosi emosinya perasaan perasaannya mood",
    "speaker": "penutur pembicara pencakap penceramah orang pemanggil penyampai individu",
    "words": "kata_kata perkataan teks kandungan ayat kata_katanya ayatnya perkataannya isi_kandungan isi lirik ucapannya kandungannya kalimat",
    "in": "dalam di",
    "with": "dengan dgn",
    "to": "kepada",
    "from": "dari",
    "says": "berkata kata katanya menyebut mengatakan memberitahu bertanya mendakwa bilang cakap cakapnya katakan ujar ujarnya mengaku menegaskan kononnya kata_dia ckp dakwanya mengakui menyatakan_bahawa konon ngaku katenye bercerita_dia",
    "talks about": "bercakap_tentang bercerita_tentang bercerita bercakap_mengenai bercakap_pasal menceritakan berbicara_tentang",
    "her friend is": "kawannya rakannya sahabatnya temannya",
    "friend": "kawan rakan sahabat teman",
    "his mother is": "ibunya emaknya maknya mamanya",
    "mother": "ibu emak mak",
    "his father is": "bapanya ayahnya",
    "father": "bapa ayah",
    "his sister is": "kakaknya adiknya abangnya",
    "his wife is": "isterinya",
    "his husband is": "suaminya",
    "his boss is": "bosnya majikannya ketuanya",
    "his customers are": "pelanggannya",
    "customer": "pelanggan",
    "teacher": "guru cikgu",
    "boss": "bos majikan",
    "audience": "penonton pendengar",
    "answer": "jawapan jawapannya jawaban jawab",
    "label": "kategori",
    "gender": "jantina",
    "now": "sekarang kini",
    "pretends to be": "berpura_pura pura_pura berlagak_seolah buat_buat dibuat_buat berlakon memura_murakan pura2 berpura melakonkan pura_puranya acah_acah",
    "tries to sound": "cuba_kedengaran berusaha_kedengaran cuba_nampak cuba_berlagak",
    "sorry": "maaf malangnya",
    "i should call": "pada_pendapat_saya bagi_saya saya_rasa menurut_saya saya_agak aku_rasa saya_kira rasa_saya saya_dengar tekaan_saya agakan_saya saya_teka saya_fikir saya_pikir aku_fikir aku_pikir fikir_saya pendapat_saya saya_syak menurutku gw_rasa sy_rasa saya_percaya saya_yakin",
    "x": "biasanya tak_apa tidak_mengapa tidak_hairanlah sukanya apa_apa apa_lagi masih orang_ramai tidak_kira tak_kira laki_bini",
}
_ENDED = {english: " ".join(word if word.endswith("~") else f"{word}~" for word in words.split()) for english, words in _WORDS.items()}
"""Any word for a feeling may carry -nya, -lah or -kah."""
_VERBS = r"(?:menentukan|tentukan|ditentukan|pasti|mengetahui|diketahui|mengenal pasti|kenal pasti|dikenal pasti|dengar|mendengar|didengar|memastikan|pastikan|dipastikan|menilai|nilai|dinilai|menjawab|jawab|memproses|proses|diproses|menganalisis|analisis|dianalisis|membezakan|bezakan|dibezakan|membedakan|mengesan|kesan|memberitahu|beritahu|mengatakan|katakan|dikatakan|cakap|membantu|bantu|dikesan|mengakses|akses|teka|meneka|diteka|menebak|mengenali|kenali|memberi|memberikan|putuskan|memutuskan|membuat|buat|menyimpulkan|disimpulkan|mentafsir|tafsir|ditafsir|mengulas|komen|faham|baca|kata|tahu|menangkap|tangkap|mengklasifikasikan|menyatakan|nyatakan|dinyatakan|memainkan|menjelaskan|mengidentifikasi)"
LANGUAGE = Language(
    "Malay",
    _ENDED,
    _FRAME,
    (
        (r"(?<=\w)-(?=\w)", " "),
        (r"\b([a-z]{3,})2\b", r"\1 \1"),
        (
            r"\b(?:tidak|tak|tdk|x|gak|nggak|ga|susah|sukar|sulit)(?: dapat| boleh| mampu| bisa)? (?:untuk )?(?:menyembunyikan|sembunyikan|menyorokkan|menahan|membendung|mengawal|disangkal|dinafikan|dibendung|disembunyikan|terkawal)\b",
            "<shows>",
        ),
        (
            r"\b(?:tidak|tak|tdk|x|gak|nggak|ga|enggak|belum|tiada siapa) (?:akan )?(?:dapat|boleh|mampu|mungkin|berupaya|bisa|berani|sanggup|berani nak|mahu|mau|nak|ingin)\b[^.!?;,]{0,30}?\b"
            + _VERBS
            + r"\b",
            "<i can not determine>",
        ),
        (
            r"\b(?:sukar|susah|mustahil|sulit|payah|tidak mudah|tak mudah|tidak mungkin|terlalu awal|terlalu singkat|terlalu pendek)\b[^.!?;,]{0,20}?\b"
            + _VERBS
            + r"\b",
            "<it is impossible to determine>",
        ),
        (
            r"\b(?:tidak|tak|tdk|gak|nggak|ga|x|kurang|belum|ndak|enggak) (?:tahu|jelas|diketahui|tau|ketahuan|dinyatakan|faham|ada idea|ada klu)\b|\b(?:entahlah|entah la|entah)\b(?! entah)|\bmanalah saya tahu\b|\bmana saya tahu\b|\bsamar samar\b",
            "<is unknown>",
        ),
        (
            r"\b(?:tidak|tak|tdk|gak|nggak|ga|x|kurang|enggak|belum) (?:begitu |berapa |terlalu |sepenuhnya |seratus peratus |100% |100 % |betul betul |berani |sangat |terlalu |dapat |boleh |bisa )?(?:pasti|yakin|memastikan|pastikan|sure|confirm)\b(?! diri)",
            "<not sure>",
        ),
        (r"\bbukan(?:lah)? (?:seratus peratus |100% )?(?:pasti|yakin)\b", "<not sure>"),
        (
            r"\b(?:tiada|tidak ada|tak ada|takde|tanpa) (?:fail |sebarang |data )?(?:audio|maklumat|rakaman|informasi|bukti|konteks|petunjuk)\b|\b(?:audio|rakaman|maklumat|bunyi|suaranya|kualiti audio|klip)\b[^.!?;,]{0,20}?\b(?:terlalu|tidak mencukupi|tidak cukup|tak cukup|kurang jelas|rosak|kosong|terhad)\b|\btidak cukup (?:maklumat|bukti|data|konteks)\b",
            "<no audio>",
        ),
        (
            r"\b(?:sebagai|selaku)(?: sebuah| satu| seorang)? (?:ai|model|pembantu|kecerdasan buatan|sistem|chatbot)\b|\b(?:saya|aku) (?:hanya|cuma|hanyalah|ialah|adalah)?(?: sebuah| satu)? ?(?:ai|model bahasa|model teks)\b|\benggan (?:menjawab|mengulas|memberi)\b|\btidak mahu mengulas\b",
            "<as an ai>",
        ),
        (r"\blebih\b([^.!?;,]{2,50}?)\b(?:daripada|berbanding|dari|ketimbang|dari pada)\b", r"<rather>\1<than>"),
        (r"\b(?:tidak|bukan|tak|tiada)\b([^.!?;,]{1,40}?)\b(?:mahupun|maupun)\b", r"<neither>\1<nor>"),
        (r"\b(?:tidak|bukan|tak)\b([^.!?;,]{1,30}?),? (?:dan |serta )?(?:tidak|bukan|tak) (?:juga|pula)\b", r"<neither>\1<nor>"),
        (r"\b(?:tiada|tak ada|tidak ada|takde|takda)(?= ?(?:langsung|pun)? ?(?:[.,!?;]|$))", "<not<>"),
        (
            r"\b(?:tiada|tak ada|tidak ada|tanpa|takde) (?:sebarang |apa apa |langsung |sedikit pun |sekelumit |secebis )*(?:tanda|tanda tanda|unsur|kesan|bukti|bayangan|petunjuk)?(?= )",
            "<not>",
        ),
        (r"\bselain (?:daripada |dari )?([^.!?;,]{2,25}?),? (?:tiada|tak ada|tidak ada)(?: yang lain| apa apa| emosi lain| lain)\b", r"<surely> \1"),
    ),
    endings=("", "nya", "lah", "kah"),
    often_misspelled="""
        kesedihan~ menyedihkan~ kemurungan kepiluan menangis kemarahan~ memarahi berang~ kegeraman mengamuk jengkel kekesalan frustrasi frustasi gembira~ kegembiraan~ bahagia~ kebahagiaan~ seronok~ keseronokan
        keriangan teruja~ keterujaan bersemangat~ semangat ketakutan~ menakutkan panik gentar gementar kebimbangan kerisauan khuatir khawatir gelisah kegelisahan terkejut~ terperanjat kehairanan hairan~ tercengang
        kejutan menjijikkan~ kejijikan meluat~ menghina penghinaan mencemuh meremehkan tenang~ ketenangan~ santai~ neutral~ netral~ kecewa~ kekecewaan~ bosan~ kebosanan perempuan~ wanita~ lelaki~ positif~ negatif~
        menjerit berbisik mengejek sarkastik menyindir teragak_agak""",
    not_typos="tenant santa terus teruna tenaga tentang tenggang santan bosnia benang berapa barang berani terbang ketakatan menangkis menangani menghias pengharaan kejutkan negatip ketawan kecewakan",
)
