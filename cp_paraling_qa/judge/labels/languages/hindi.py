"""Hindi, in Devanagari and in Latin letters."""

from __future__ import annotations

from cp_paraling_qa.judge.labels.languages.language import Language

_WORDS = {
    "sad": """
        दुखी दुख दुखद उदास उदासी शोक शोकाकुल गमगीन गम मायूस मायूसी अवसाद अवसादग्रस्त व्यथित रुआंसा रुआंसी दर्द गमजदा शोकग्रस्त शोकपूर्ण दुखभरी दुखभरा दुखभरे दर्दभरी दर्दभरा दर्द_भरी दर्द_भरा दुख_भरी दुख_भरा
        उदासीभरा उदासीभरी रंजीदा रंज पीडा पीडित व्यथा संताप विषाद विषादपूर्ण खिन्न खिन्नता गमगीनी रुआंसे मातम मातमी टूटा_हुआ टूटी_हुई दिल_टूटा दिल_टूट मन_भारी भारी_मन दिल_भारी विलाप करुण करुणा_भरा मुरझाया मुरझाई मुरझाया_हुआ
        मुंह_लटकाए मुंह_लटका आहत दुखित क्षुब्ध_और_दुखी कलपता सदमे_में_डूबा गम_में_डूबा गम_में_डूबी दुख_में_डूबी दुख_में_डूबा बुझा_हुआ बुझी_हुई बुझा_बुझा बुझी_बुझी उदासीनता_और_दुख दिल_दुखा वेदना दुखडा उदासियां
        dukhi udaas udas dukh udasi udaasi gam gham ghamgeen gamgeen maayus mayus mayusi maayusi dukhee dukhi_si rooansi ruansi ruaansa dard dukhbhari dil_toota sad_sa dard_bhari udaas_sa""",
    "tearful": """
        रोना रो_रहा रो_रही रो_रहे रोता रोती रोते रोने रोकर रोया रोई आंसू आंसुओं सिसकता सिसकती सिसक सिसकियां सिसकी सिसकियों सुबक सुबकता सुबकती बिलख बिलखता बिलखती फूट_फूटकर फूट_फूट_कर भर्राई भर्राया भर्राई_हुई भर्राया_हुआ रुंधा रुंधी रुंधे
        रुंधा_हुआ रुंधी_हुई गला_भर आंखें_भर आंखें_नम नम_आंखें नम_आंखों रोनी रोनी_सूरत rona ro_raha ro_rahi rote roti rota aansu aansoo sisak gala_bhar ro_rha ro_rhi rone""",
    "sighing": "आह आहें ठंडी_सांस",
    "hurt": "ठेस",
    "unhappy": "नाखुश अप्रसन्न",
    "heartbroken": "हताश हताशा",
    "angry": """
        गुस्सा गुस्से गुस्सैल क्रोधित क्रोध नाराज नाराजगी क्रुद्ध आगबबूला खफा रोष गुस्साया गुस्साई आग_बबूला तमतमाया तमतमाई तमतमाते तमतमा गुस्साए आक्रोश आक्रोशित रोषपूर्ण क्रोधपूर्ण भडका भडकी भडका_हुआ भडकी_हुई भडक उबल खून_खौल
        गुस्से_से_लाल गुस्से_से_लाल_पीला गुस्से_से_लाल_पीली लाल_पीला लाल_पीली आपे_से_बाहर पारा_चढा पारा_चढ पारा_सातवें_आसमान तैश ताव भुनभुना भन्नाया भन्नाई कुपित कोप उग्र दांत_पीसते दांत_पीसकर दांत_पीस बौखलाया बौखलाई बौखलाहट बौखला
        तिलमिलाया तिलमिलाई तिलमिला तिलमिलाहट खुन्नस बिफर बिफरा बिफरी आगबगूला क्रोधी भडास गुस्सेवाला गुस्सेवाली गुस्सेभरी गुस्सेभरा सुलग बरस_पडा बरस_पडी आग_उगल भन्ना रुष्ट रूठा रूठी गरम_दिमाग फट_पडा फट_पडी आवेश नाक_पर_गुस्सा
        gussa gusse naraz naaraz krodhit ghussa gusa gusse_me gussa_mein krodh khafa naraaz narazgi naarazgi gussaya gusse_wala gussail gussese bhadka aag_babula aagbabula gussae gusaa taish laal_peela lal_pila""",
    "scolding": "डांट डांटता डांटती डांटते फटकार डांट_फटकार गाली गालियां daant",
    "annoyed": """
        चिढ चिढा चिढी चिढे चिडचिडा चिडचिडी झुंझलाहट झल्लाया झल्लाई खीझ चिडचिडाहट चिडचिडे चिढकर चिढचिढा झुंझलाया झुंझलाई झुंझला झल्लाहट झल्ला खीझा खीझी खीज खिसियाया खिसियाई चिढा_हुआ चिढी_हुई तंग असंतुष्ट असंतोष खिजलाहट
        खिन्नता_और_चिढ chidh chidchida chidchidi jhunjhlahat irritate chida chidi chidha chidhi khijh jhunjhlaya jhunjhlai pareshan_aur_naraz chidchidahat chid_gaya chid_gayi""",
    "frustrated": "कुंठित कुंठा हताश_और_नाराज कुंठाग्रस्त कुण्ठित फ्रस्ट्रेटेड फ्रस्टेटेड फ्रस्ट्रेट फ्रस्ट्रेशन हार_मानी तंग_आ_चुका तंग_आ_चुकी तंग_आ_गया तंग_आ_गई तंग_आकर kunthit frustrated frustate frustration tang_aa",
    "complaining": "शिकायत",
    "impatient": "अधीर अधीरता बेसब्र बेसब्री",
    "helpless": "बेबस बेबसी लाचार लाचारी असहाय मजबूर",
    "happy": """
        खुश खुशी खुशमिजाज प्रसन्न प्रसन्नता आनंदित आनंद हर्षित हर्ष प्रफुल्लित खुशियां खुशी_से_झूम झूम_उठा झूम_उठी फूला_नहीं_समा फूली_नहीं_समा फूले_नहीं_समा हर्षोल्लास उल्लास उल्लसित मगन मस्त मजे_में प्रफुल्ल बाग_बाग बाग_बाग_है दिल_बाग_बाग
        खिला_हुआ खिली_हुई खिलखिला खिलखिलाता खिलखिलाती खिलखिलाकर खिलखिलाहट चहक चहकता चहकती चहकते चहकता_हुआ चहकती_हुई चहककर मुदित खुशदिल हंसमुख संतुष्ट संतोष खुशगवार मौज मौज_में गदगद पुलकित खुशनुमा जिंदादिल जिंदादिली आह्लादित सुखी सुख
        खुशहाल झूम_रहा झूम_रही मस्ती हंसी_खुशी उमंग_से_भरी_खुशी अच्छे_मूड खुशी_भरी खुशी_भरा खुशीभरी हैप्पी खुशी_के_मारे प्रमुदित
        khush khushi kush khus khushee khushi_se khus_hai khushmizaj prasann prasanna anandit anand aanand khushnuma masti mast maze_mein chahak khili_hui khila_hua santusht happy_si hasmukh khushi_khushi""",
    "smiling": "मुस्कुरा मुस्कुराता मुस्कुराती मुस्कुराते मुस्कान मुस्कुराहट मुस्कराहट मुस्कुराकर मुस्करा muskura muskaan muskurahat",
    "proud": "गर्व गौरव गर्वित",
    "hopeful": "आशावादी आशा उम्मीद आशान्वित",
    "excited": """
        उत्साहित उत्साह उत्तेजित रोमांचित जोश जोशीला जोशीली जोशीले रोमांच उत्साहपूर्ण उमंग जोश_से_भरा जोश_से_भरी जोश_में जोशभरा जोशभरी उत्तेजना उत्साही उत्सुकता_से_भरी एक्साइटेड एक्साइटमेंट जोशो_खरोश जोश_खरोश उछल_रहा उछल_रही
        utsahit utsaah utsah josh josh_mein excited excitement romanchit josh_se joshila joshili utsahi umang""",
    "fearful": """
        डर डरा डरी डरे डरा_हुआ डरी_हुई भय भयभीत खौफ सहमा सहमी दहशत आतंकित सहमे सहमा_हुआ सहमी_हुई डरा_सहमा डरी_सहमी डरे_हुए डरते डरता डरती डरकर डरपोक खौफजदा खौफनाक भयाकुल भयातुर त्रस्त भयग्रस्त थर्राया थर्राई थर्रा थर_थर घिग्घी
        घिग्घी_बंध घिग्घी_बंधी रोंगटे_खडे रूह_कांप जान_सूख दिल_दहल हाथ_पांव_फूल सिट्टी_पिट्टी_गुम दहला दहली दहल दहला_हुआ डरावना_सा आतंक संत्रस्त होश_उड पसीने_छूट खौफ_में दहशतजदा
        dara dari darr dar bhay bhaybheet khauf sehma sehmi sahma sahmi dehshat dahshat dara_hua dari_hui daraa dare darta darti khaufzada dar_gaya dar_gayi ghabra_kar_dara bhaybhit""",
    "trembling": "कांप कांपता कांपती कांपते कांपती_हुई कांपता_हुआ थरथरा थरथराती थरथराहट kaanp kaamp",
    "anxious": """
        चिंतित चिंता परेशान परेशानी बेचैन बेचैनी घबराया घबराई घबराए घबराहट तनाव तनावग्रस्त घबरा घबराकर घबराते घबराती घबराता व्याकुल व्याकुलता बेकरार आशंकित आशंका नर्वस फिक्र फिक्रमंद चिंताग्रस्त घबराया_हुआ घबराई_हुई बौखल
        विचलित अशांत हडबडाया हडबडाई हडबडाहट छटपटाहट उद्विग्न टेंशन chinta chintit pareshan pareshaan ghabraya ghabrai ghabrahat bechain bechaini tension nervous tanav ghabra fikr ghabraayi ghabraaya ghabraya_hua ghabrayi""",
    "stressed": "तनाव_में तनावपूर्ण दबाव_में स्ट्रेस स्ट्रेस्ड tanav_mein stress_mein",
    "surprised": """
        आश्चर्य आश्चर्यचकित हैरान हैरानी चकित अचंभित अचंभा विस्मित विस्मय चौंका चौंकी चौंक चौंके चौंककर चौंक_गया चौंक_गई चौंका_हुआ चौंकी_हुई हतप्रभ भौंचक्का भौंचक्की भौंचक्के भौचक्का भौचक्की हक्का_बक्का हक्की_बक्की हक्के_बक्के दंग दंग_रह_गया अवाक
        स्तब्ध अचरज ताज्जुब हैरतअंगेज हैरत हैरतजदा अचंभे ठगा_सा ठगा_सा_रह दांतों_तले_उंगली आंखें_फटी विश्वास_नहीं_हो_रहा यकीन_नहीं_हो_रहा यकीन_ही_नहीं_हो_रहा मुंह_खुला आंखें_फाडे विस्मयपूर्ण आश्चर्यजनक अविश्वास सरप्राइज्ड सन्न सन्न_रह शॉक
        hairan hairaan hairani heran herani chaunk chaunka chaunki achambhit ashcharya aashcharya ascharya achambha achanak_chaunka dang tajjub hairat hakka_bakka bhauchakka chakit shock surprise_ho""",
    "disgust": """
        घृणा घिन घृणित नफरत जुगुप्सा वितृष्णा घिनौना घिनौनी घिनौने उबकाई मितली जी_मिचला जी_मिचलाना मतली उल्टी_आ उलटी_आ घिनाया घिनाई घिनाकर नाक_भौं नाक_भौं_सिकोड नाक_भौं_सिकोडकर नाक_सिकोड मुंह_बिचकाकर अरुचि बीभत्स घृणापूर्ण घिन_भरी घिन_आ घिन्न
        ghrina ghin ghinn nafrat ghrna ghinauna ghinn_aa ubkai ulti_aa ghrinaa nafrath""",
    "contempt": """
        तिरस्कार अवमानना तुच्छता हिकारत हेय हेय_दृष्टि उपेक्षा तिरस्कारपूर्ण नीचा_दिखा नीचा_दिखाता नीचा_दिखाने नीची_नजर हीन_भावना_से_देखता तुच्छ घृणा_और_तिरस्कार अवज्ञा हिकारत_भरी हिकारत_भरा तौहीन अपमानजनक अवहेलना तुच्छ_समझ तुच्छ_समझता
        तुच्छ_समझती नीच_समझ tiraskar hikarat tiraskaar neecha_dikha tuchchh""",
    "mocking": "उपहास मजाक_उडा मजाक_उडाता मजाक_उडाते मजाक_उडाने खिल्ली खिल्ली_उडा mazak_uda",
    "arrogant": "घमंड घमंडी अहंकार अहंकारी अकड",
    "calm": """
        शांत शांति शांतचित्त सहज निश्चिंत धीर_गंभीर शांतिपूर्ण धैर्यवान धैर्य संयत संयमित संयम स्थिर ठंडे_दिमाग सुकून सुकून_भरी सुकून_भरा सुकून_में इत्मीनान इत्मिनान ठहराव आराम आराम_से बेफिक्र तनावमुक्त सौम्य ठंडे_मिजाज तसल्ली_से स्थिरचित्त प्रशांत चैन
        चैन_से शान्तचित्त शांतभाव रिलैक्स रिलैक्स्ड shant shaant shanti sukoon sukun itminan relax aaram_se araam_se shanth thehrav befikr sukoon_mein""",
    "neutral": """
        तटस्थ तटस्थता भावहीन भावशून्य निष्पक्ष सामान्य उदासीन भावनाहीन भावरहित भावनारहित निर्विकार सपाट भावना_रहित निरपेक्ष न्यूट्रल भावशून्यता निर्लिप्त साधारण भावविहीन भावनाशून्य नार्मल नॉर्मल कोई_भाव_नहीं कोई_भावना_नहीं कोई_खास_भाव_नहीं
        कोई_खास_भावना_नहीं कोई_विशेष_भावना_नहीं कोई_विशेष_भाव_नहीं बिना_किसी_भाव बिना_किसी_भावना बिना_भाव कोई_जज्बात_नहीं किसी_भावना_के_बिना तटस्थ_सा वस्तुनिष्ठ उदासीनता
        tatasth neutral_hai normal samanya saamanya saadharan sadharan koi_bhav_nahi koi_bhavna_nahi koi_emotion_nahi bhavheen bhaavheen sapaat sapat bina_kisi_bhav bina_kisi_emotion bina_kisi_bhavna udaseen""",
    "disappointed": "निराश निराशा निराशाजनक निराशापूर्ण nirash niraash nirasha niraasha",
    "bored": "ऊबा ऊबी ऊब बोर ऊबा_हुआ ऊबी_हुई ऊबाऊ बोरियत उबा उबी उबाऊ नीरस बेमन बेमन_से अनमना अनमनी अनमने ऊब_चुका ऊब_चुकी रुचि_नहीं दिलचस्पी_नहीं कोई_रुचि_नहीं कोई_दिलचस्पी_नहीं अरुचिकर bore boriyat boring uba ubi dilchaspi_nahi bor bore_ho",
    "interested": "रुचि दिलचस्पी उत्सुक उत्सुकता जिज्ञासा जिज्ञासु कुतूहल कौतूहल रुचि_से दिलचस्पी_से dilchaspi ruchi utsuk utsukta",
    "tired": "थका थकी थकान थका_हुआ थकी_हुई थका_मांदा थकी_मांदी थके थके_हुए thaka thaki thakan thaka_hua thaki_hui",
    "confused": "भ्रमित उलझन उलझा उलझी असमंजस दुविधा कन्फ्यूज uljhan uljha uljhi confuse",
    "sarcastic": "व्यंग्यात्मक व्यंग्य कटाक्ष व्यंग व्यंग्यपूर्ण ताना ताने तंज तंज_कस taana tanz vyangya vyang",
    "sincere": "ईमानदार सच्चा सच्ची सच्चे निष्कपट ईमानदारी सच्चाई दिल_से सच्चे_दिल सच्चे_मन निश्छल गंभीरता_से imaandari dil_se sachche sachcha sacche_dil sachha",
    "relieved": "राहत चैन_की_सांस rahat raahat",
    "embarrassed": "शर्मिंदा शर्म शर्मिंदगी लज्जित झेंप झेंपा शरमा sharminda sharm",
    "jealous": "ईर्ष्या जलन",
    "hesitant": """
        हिचकिचाहट हिचकिचा झिझक संकोच हिचक हिचकिचाता हिचकिचाती हिचकिचाते झिझकता झिझकती झिझकते झिझककर हकला हकलाता हकलाती हकलाते हिचकते अटक_अटक अटक_अटककर अटकता अटकती अटकते असमंजस_भरा आत्मविश्वास_की_कमी आत्मविश्वासहीन अनिश्चित डगमगा लडखडा लडखडाती
        लडखडाता दबी_जुबान hichkichahat jhijhak hichak hichkicha jhijhakte atak_atak hakla""",
    "confident": "आत्मविश्वासी आत्मविश्वास आत्मविश्वासपूर्ण दृढ दृढता बेझिझक निडर बेहिचक पूरे_यकीन पूरे_विश्वास भरोसे_से aatmavishwas atmavishwas confident confidence_se bejhijhak nidar",
    "positive": "सकारात्मक तारीफ प्रशंसा सराहना सराहा प्रशंसात्मक तारीफों पॉजिटिव अनुकूल sakaratmak tareef taarif tarif prashansa sarahna positiv",
    "recommend": "सिफारिश अनुशंसा recommend_karta recommend_karti",
    "good": "अच्छा अच्छी अच्छे बढिया बेहतरीन शानदार लाजवाब जबरदस्त उत्तम कमाल मजेदार पसंद पसंद_आया पसंद_आई achha accha acha acchi badhiya behtareen shandar shaandar lajawab zabardast pasand mast_hai kamaal",
    "negative": "नकारात्मक आलोचना निंदा बुराई आलोचनात्मक नेगेटिव प्रतिकूल पैसे_की_बर्बादी पैसा_बर्बाद बुराइयां पछतावा मत_खरीदना मत_खरीदो nakaratmak aalochana alochna burai ninda paisa_barbad paise_barbad",
    "terrible": "बेकार घटिया खराब बकवास बुरा बुरी बुरे वाहियात bekar bekaar ghatiya kharab kharaab bakwas bakwaas bura buri bure",
    "female": """
        महिला स्त्री औरत लडकी नारी बच्ची_लडकी युवती मैडम बहनजी दीदी आंटी जनाना मादा महिलाएं औरतों देवी अम्मा दादी बिटिया बेटी महिलाओं गर्ल लडकियों जनानी
        mahila aurat ladki stree stri yuvti yuvati aunty didi larki ladkee zanana aurat_ki mahilaa""",
    "male": """
        पुरुष आदमी मर्द लडका नर युवक लडके सज्जन मर्दाना मर्दानी पुरुषों भाईसाहब भाई_साहब अंकल चाचा जनाब बेटा मर्दों लौंडा छोकरा पुरूष
        purush aadmi admi mard ladka larka yuvak uncle mardana bhaisahab ladke purus""",
    "young woman": "नौजवान_लडकी",
    "little girl": "छोटी_बच्ची छोटी_लडकी chhoti_ladki choti_bachchi",
    "little boy": "छोटा_लडका chhota_ladka chota_ladka",
    "young man": "नौजवान",
    "whispering": "फुसफुसा फुसफुसाहट फुसफुसाकर फुसफुसाता फुसफुसाती फुसफुसाते कानाफूसी धीमे_से_कान दबी_आवाज phusphusa fusfusa phusphusakar fusfusakar",
    "shouting": "चिल्ला चिल्लाता चिल्लाती चिल्लाकर चीख चिल्लाते चिल्लाने चीखता चीखती चीखकर चीखते चीखने चिल्लाहट गला_फाडकर दहाड chilla chillakar cheekh chikh chillata chillati chilla_raha cheekhkar",
    "singing": "गा_रहा गा_रही गाना गाता गाती गुनगुना gana ga_raha ga_rahi gaana",
    "laughing": "हंस हंसी हंसता हंसती ठहाके ठहाका हंसते हंसकर hans hansi has_raha has_rahi hasi",
    "slow": "धीमा धीमी धीमे धीरे dheere dheema",
    "quick": "तेज तेजी जल्दी tez tezi jaldi",
    "loud": "जोर_से ऊंची_आवाज बुलंद zor_se",
    "high": "उच्च ऊंचा ऊंची",
    "low": "निम्न कम",
    "medium": "मध्यम",
    "child": "बच्चा बच्ची बच्चे bachcha bacha bachchi",
    "elderly": "बुजुर्ग वृद्ध बूढा बूढी buzurg budha budhi boodha",
    "young": "युवा जवान jawan yuva",
    "teenager": "किशोर किशोरी",
    "polite": "विनम्र शिष्ट विनम्रता शालीन शालीनता अदब अदब_से तमीज तमीज_से शिष्टता vinamra tameez tameez_se adab",
    "rude": "अशिष्ट असभ्य बदतमीज बदतमीजी रूखा रूखी रूखे अभद्र अभद्रता बेअदब बेअदबी बेरुखी उद्दंड badtameez badtameezi badtamiz rukha rookha",
    "friendly": "मित्रवत दोस्ताना मिलनसार dostana",
    "formal": "औपचारिक",
    "informal": "अनौपचारिक",
    "question": "प्रश्न सवाल",
    "drunk": "नशे_में शराबी",
    "yes": "हां haan",
}
_FRAME = {
    "not<": """
        नहीं नही nahi nahin nahi_hai nai nhi naheen nahee ni_hai नहीं_है नहीं_लगता नहीं_लगती नहीं_लग_रहा नहीं_लग_रही nahi_lagta nahi_lagti nahi_lag_raha nahi_lag_rahi nahi_tha nahin_hai नहीं_था नहीं_थी नहीं_हुआ नहीं_सुनाई_देता
        बिल्कुल_नहीं बिलकुल_नहीं बिल्कुल_भी_नहीं बिलकुल_भी_नहीं कतई_नहीं हरगिज_नहीं bilkul_nahi bilkul_bhi_nahi bilkul_nahin कोसों_दूर गायब नदारद अनुपस्थित अभाव नामोनिशान_नहीं रत्ती_भर_भी_नहीं जरा_भी_नहीं zara_bhi_nahi नजर_नहीं_आता नजर_नहीं_आती
        सुनाई_नहीं_देता सुनाई_नहीं_देती सुनाई_नहीं_दे_रहा सुनाई_नहीं_दे_रही दिखाई_नहीं_देता दिखाई_नहीं_देती नहीं_मिलता नहीं_मिलती झलकता_नहीं sunai_nahi_deta sunai_nahi_deti थोडी_है थोडे_ही_है nahi_dikhta""",
    "not": "न ना मत बिल्कुल_नहीं_है na",
    "not< ,": "के_बजाय की_बजाय की_जगह के_बदले से_ज्यादा से_अधिक से_कहीं_ज्यादा की_बनिस्बत ke_bajay ke_bajaye ki_jagah se_zyada se_jyada ke_badle की_अपेक्षा की_तुलना_में के_मुकाबले se_jyaada se_zyaada से_कहीं_अधिक",
    "not< emotion": "से_मुक्त से_रहित से_दूर",
    "without": "बिना बगैर bina bagair",
    "not only": "न_केवल सिर्फ_नहीं केवल_नहीं",
    "but": "लेकिन मगर परंतु परन्तु किंतु किन्तु बल्कि वरन lekin magar balki par_ par_asal lekin_asal_mein अपितु वरना_तो पर_असल lekin_phir_bhi फिर_भी phir_bhi बस_इतना_कि magar_asal परन्तु_फिर_भी lekin_sach_mein",
    "although": "हालांकि यद्यपि भले_ही भले चाहे हालाकि halanki haalanki haalaki bhale_hi chahe",
    "while": "जबकि jabki",
    "because": "क्योंकि चूंकि kyunki kyonki",
    "therefore": "इसलिए अतः अत कुल_मिलाकर isliye kul_milakar kul_mila_kar निष्कर्षतः निष्कर्ष सो",
    "actually": """
        वास्तव_में असल_में दरअसल असल_बात असलियत_में हकीकत_में सच_में सच_तो_यह_है asal_mein asal_me asal_m darasal haqeeqat_mein sach_mein sach_me दोबारा_सुनने_पर दुबारा_सुनने_पर ध्यान_से_सुनने_पर ध्यान_से_सुना ध्यान_से_सुनें ध्यान_से_सुना_तो
        दोबारा_सुना दोबारा_सुना_तो गौर_से_सुनने_पर गौर_से_सुना गौर_करने_पर अंदर_से भीतर_से असली actually asli dobara_suna dobara_suna_to dhyan_se_suna dhyan_se_suna_to dhyan_se_sunne_par dobara_sunne_par andar_se भीतर_ही_भीतर यथार्थ_में निकला निकली nikla nikli
        फिर_से_सुनने_पर फिर_से_सुना गौर_से_सुनो_तो ghaur_se_suna""",
    "final": "अंत_में आखिरकार अंततः अंतत आखिर_में अंतिम आखिरी ant_mein aakhir_mein akhir_mein aakhirkar akhirkar अंत_तक आखिर_तक aakhir_me ant_me",
    "initially": "शुरू_में पहले आरंभ_में शुरुआत_में पहले_पहल पहली_बार पहली_नजर_में शुरू_शुरू_में प्रारंभ_में पहली_बार_सुनने_पर pehle pahle shuru_mein shuru_me shuruaat_mein pehli_baar starting_mein शुरुआत pehli_bar",
    "thought": "सोचा समझा socha samjha laga_tha लगा_था लगा_कि_शायद lga_tha",
    "on the surface": "ऊपर_से ऊपरी_तौर_पर upar_se बाहर_से दिखावे_में सतही_तौर_पर",
    "most likely": "सबसे_अधिक_संभावना सबसे_ज्यादा_संभावना सबसे_संभावित ज्यादा_संभावना zyada_chance",
    "mostly": "मुख्य_रूप_से ज्यादातर मुख्यत मुख्यतया प्रमुख_रूप_से zyadatar",
    "probably": "संभवत संभवतः संभवतया हो_न_हो संभावना लगभग_तय",
    "maybe": "शायद shayad हो_सकता_है ho_sakta_hai ho_sakta_h shayd संभव_है मुमकिन_है shaayad",
    "could": "सकता सकती सकते sakta sakti sakte",
    "slightly": "थोडा थोडी थोडे हल्का हल्की कुछ thoda thodi जरा थोडा_सा थोडी_सी थोडा_बहुत हल्का_सा हल्की_सी thoda_sa thodi_si halka halki kuch हल्के थोडे_से",
    "a hint of": "की_झलक_जैसी",
    "very": "बहुत काफी अत्यंत बेहद स्पष्ट_रूप_से इतना इतनी bahut bohot bohut bahot kaafi kafi behad bht boht itna itni बहुत_ज्यादा बडा बडी साफ बोहोत बोहत बहोत पूरी_तरह एकदम ekdum बिलकुल बिल्कुल bilkul पूरा पूरी",
    "and": "और तथा एवं व aur or_phir",
    "both": "दोनों dono",
    "or": "या अथवा ya yaa या_फिर ya_phir",
    "whether": "कि_क्या",
    "that": "कि जो ki",
    "what": "क्या kya",
    "if": "अगर यदि agar",
    "i": "मैं main mein_hoon",
    "me": "मुझे मेरी मेरा मेरे mujhe mere meri",
    "we": "हम hum",
    "he": "वह वो woh vah wo vo voh wah",
    "it": "यह ये इस yeh ye",
    "his": "उसकी उसका उसके उनकी उनका उनके uski uska uske unki",
    "him": "उसे उस use usse उन्हें",
    "is": "है हैं हुआ हुई हुए hai hain hui hua h he ho हो है_ही",
    "am": "हूं hoon hun",
    "was": "था थी थे tha thi the_woh",
    "sounds": "लगता लगती लगते लग_रहा लग_रही लग_रहे सुनाई लगा lagta lagti lag_raha lag_rahi laga lag_rha lag_rhi sunai सुनाई_देता सुनाई_देती सुनाई_दे_रहा सुनाई_दे_रही lagte लगे लगी lgta lgti lg_raha lg_rahi",
    "feels": "महसूस mehsoos mahsus mehsus",
    "speaks": "बोल बोलता बोलती बोलने बोल_रहा बोल_रही bol_raha bol_rahi bolta bolti bol_rha bol_rhi बात_कर_रहा बात_कर_रही",
    "shows": "व्यक्त दर्शाता दर्शाती प्रकट झलकता झलकती झलक झलक_रहा झलक_रही टपकता टपकती टपक_रही टपक_रहा छलक_रही छलक_रहा छलकता छलकती jhalak jhalakta jhalakti जाहिर साफ_झलक छिपा_नहीं छुपा_नहीं छिप_नहीं छुप_नहीं छिपा_नहीं_पा_रहा छिपा_नहीं_पा_रही छुपा_नहीं_पा_रहा छुपा_नहीं_पा_रही chhupa_nahi chupa_nahi",
    "voice": "आवाज स्वर awaaz awaz aawaz aawaaz avaaz",
    "tone": "लहजा लहजे टोन अंदाज lehja lehje tone_mein सुर andaz andaaz लहज",
    "emotion": "भावना भावनाएं भाव मनोदशा bhavna bhaav bhav भावनात्मक जज्बात मूड मिजाज एहसास अहसास bhaavna",
    "speaker": "वक्ता व्यक्ति बोलने_वाला बोलने_वाली बोलनेवाला vakta बोलनेवाली बोलने_वाले शख्स bolne_wala bolne_wali shaks insaan इंसान",
    "words": "शब्द शब्दों वाक्य पाठ shabd shabdon बातें बोल_तो alfaaz अल्फाज लफ्ज लफ्जों संवाद baatein कथन",
    "in": "में mein me mai m",
    "with": "साथ saath",
    "of": "का की के ka ke",
    "from": "से se",
    "says": """
        कहता कहती कहते कहा बताता बताती पूछता पूछती कह_रहा कह_रही kehta kehti कहता_है कहती_है कह_रहा_है कह_रही_है kehta_hai kehti_hai keh_raha keh_rahi कहते_हुए दावा_करता दावा_करती दावा दावा_है बोला बोली_कि bolta_hai_ki bolti_hai_ki kaha bola
        जताता जताती कहने_को kehne_ko keh_rha keh_rhi kahta kahti kah_raha kah_rahi बोलता_है_कि बोलती_है_कि बोल_रहा_है_कि बोल_रही_है_कि भले_कहे कहे kahe कहे_कि""",
    "friend is": "दोस्त मित्र सहेली dost saheli yaar_uska",
    "mother is": "मां माता मम्मी maa mummy",
    "father is": "पिता पापा papa pitaji पिताजी",
    "sister is": "बहन behen",
    "brother is": "भाई bhai",
    "boss is": "बॉस मालिक boss",
    "wife is": "पत्नी बीवी patni biwi",
    "husband is": "पति pati",
    "customer is": "ग्राहक",
    "teacher is": "शिक्षक अध्यापक टीचर",
    "interlocutor is": "सामने_वाला सामने_वाली samne_wala samne_wali दूसरा_व्यक्ति",
    "audience is": "श्रोता दर्शक",
    "answer": "उत्तर जवाब jawab uttar javab",
    "label": "लेबल श्रेणी",
    "gender": "लिंग ling",
    "now": "अब ab",
    "pretends to be": "होने_का_नाटक का_दिखावा नकली बनावटी झूठी झूठा झूठमूठ दिखावटी दिखावे_का दिखावे_की jhooti jhoothi nakli banawati dikhave_ki dikhawati",
    "sorry": "माफ क्षमा खेद maaf sorry",
    "i should call": """
        मेरे_अनुसार मेरे_विचार_में मुझे_लगता_है mujhe_lagta_hai मेरे_हिसाब_से मेरे_ख्याल_से मेरी_राय_में मेरे_ख्याल_में मुझे_लग_रहा_है mere_hisab_se mere_khayal_se meri_rai_mein मेरा_अनुमान मेरा_अंदाजा mera_andaza mujhe_lag_raha_hai
        मेरे_मुताबिक मेरा_मानना_है मैं_कहूंगा मैं_कहूंगी main_kahunga main_kahungi mujhe_lgta_hai mujhe_lagta_h मेरी_समझ_से मेरी_समझ_में""",
    "surely": "निस्संदेह निश्चित_रूप_से बेशक निसंदेह यकीनन जरूर जाहिर_है पक्का yakeenan beshak zaroor pakka इसमें_कोई_शक_नहीं कोई_शक_नहीं कोई_संदेह_नहीं koi_shak_nahi बिना_शक बिना_किसी_शक shak_nahi",
    "i choose": "चुनूंगा चुनूंगी चुनता_हूं चुनती_हूं",
    "x": "कोई koi नाटक मत_पूछो नाम_नहीं बाहर अंदर पक्का_तो किसी",
}
_END = r"(?=[\s.,!?;:)\"]|$)"
_START = r"(?<![\u0900-\u097f])"
_KNOW = r"(?:बता|कह|जान|पहचान|सुन|निर्धारित|समझ|तय|अनुमान|आंक|बोल|दे|कर|मदद|चुन|विश्लेषण|परख|भांप|पकड)"
_LATIN_KNOW = r"(?:bata|bta|keh|kah|bol|sun|samajh|pehchan|pehchaan|jaan|tay|decide|pakad|guess|judge|kar|de|tell|process|analyze|identify|access)"
LANGUAGE = Language(
    "Hindi",
    _WORDS,
    _FRAME,
    (
        (r"न्(?=[तथदध])|म्(?=[पफबभ])|ण्(?=[टठडढ])|ञ्(?=[चछजझ])|ङ्(?=[कखगघ])", "ं"),
        (r"(?<=[\u0900-\u097f])-(?=[\u0900-\u097f])|(?<=[a-z])-(?=[a-z])", " "),
        (r"(?:(?<=, )|(?<=,)|(?<=; )|(?<=है )|(?<=हूं )|(?<=सकता )|(?<=सकती )|(?<=नहीं ))(?:पर|par|pr)(?= )", "<but>"),
        (r"(?:(?<=hai )|(?<=sure nahi )|(?<=nahi )|(?<=pata )|(?<=h ))(?:par|pr)(?= )", "<but>"),
        (r"(?<![a-z])(?:chah|chaah)(?:e|kar) bhi nahi\b|न चाहते हुए भी", ""),
        (
            rf"(?:नहीं|असंभव|मुश्किल|कठिन)[^.!?;,]{{0,12}}?{_KNOW}[^.!?;,]{{0,14}}?(?:सकता|सकती|सकते|पा|मुश्किल|कठिन|संभव|पाऊंगा|पाऊंगी|सकूंगा|सकूंगी)" + _END,
            "<i can not determine>",
        ),
        (
            r"(?:बताना|कहना|पहचानना|जानना|समझना|निर्धारित करना|तय करना|पता लगाना|पता करना|अंदाजा लगाना|अनुमान लगाना|फैसला करना|निर्णय करना|तय कर पाना|कह पाना|बता पाना|पहचान पाना|जवाब देना|उत्तर देना|बोलना|चुनना)\s(?:तो\s|भी\s)?(?:बहुत\s|काफी\s|थोडा\s|बेहद\s|मेरे लिए\s|लगभग\s){0,2}(?:मुश्किल|असंभव|कठिन|संभव नहीं|मुमकिन नहीं|नामुमकिन)"
            + _END,
            "<it is impossible to determine>",
        ),
        (
            r"(?:निर्धारित|तय|पहचान|पता|फैसला|निर्णय|अंदाजा|अनुमान)[^.!?;,]{0,6}?नहीं(?: कर| लगा| किया| की| चल| हो| चला)?(?: जा)?(?: पा)?(?: सकता| सकती| सकते| पा रहा| पा रही| रहा| रही| पाया| पाई)?(?: हूं| है)?"
            + _END,
            "<i can not determine>",
        ),
        (
            _KNOW
            + r" (?:भी )?(?:नहीं )?(?:पा )?(?:सकता|सकती|सकते) नहीं|"
            + _KNOW
            + r" (?:नहीं |ही नहीं )(?:पा )?(?:सकता|सकती|सकते|पाया|पाई|रहा|रही|पाऊंगा|पाऊंगी|सकूंगा|सकूंगी)|(?:नहीं) "
            + _KNOW
            + r" (?:सकता|सकती|सकते|सकूंगा|सकूंगी)"
            + _END,
            "<i can not tell>",
        ),
        (
            r"(?:मुझे |कुछ )?(?:पता|मालूम|ज्ञात|खबर|आइडिया|अंदाजा|जानकारी|समझ) (?:ही |भी |में )?नहीं(?: है| आ रहा| आया| आता| हो रहा)?|नहीं (?:पता|मालूम|जानता|जानती)|क्या पता|कौन जाने|भगवान जाने|राम जाने"
            + _END,
            "<i do not know>",
        ),
        (
            r"असमर्थ|अस्पष्ट|अज्ञात|(?<!ना)स्पष्ट नहीं|साफ नहीं|(?:जानकारी|ऑडियो|रिकॉर्डिंग|आवाज|क्लिप)[^.!?;,]{0,12}?(?:अपर्याप्त|पर्याप्त नहीं|काफी नहीं|उपलब्ध नहीं|बहुत छोटी|बहुत छोटा|बहुत कम|नहीं मिली|नहीं मिला|खराब है)|पर्याप्त (?:जानकारी|संकेत|सबूत) नहीं|कुछ कहा नहीं जा सकता|कोई टिप्पणी नहीं",
            "<is unclear>",
        ),
        (
            r"एक (?:ai|एआई|भाषा मॉडल)[^.!?;,]{0,15}के (?:रूप में|नाते)|(?:ai|एआई|भाषा मॉडल) के (?:रूप में|नाते)|मैं (?:एक|सिर्फ एक|केवल एक|तो) (?:ai|एआई|भाषा मॉडल|टेक्स्ट)[^.!?;,]{0,12}|(?:ek|main|sirf) ai (?:model|hun|hoon)",
            "<as an ai>",
        ),
        (
            r"(?:पूरी तरह |पूरी तरह से |बहुत |सौ फीसदी |सौ प्रतिशत |100% |एकदम |पूरा )?(?:यकीन|निश्चित|सुनिश्चित|आश्वस्त|पक्का|श्योर|भरोसा|विश्वास)(?: से)?(?: तौर पर| रूप से)?(?: तो| भी)? नहीं(?! हो रह| हो पा)(?: (?:कह|बता|बोल) (?:सकता|सकती|सकते))?|(?:यकीन|दावे|भरोसे) (?:से|के साथ) (?:तो )?नहीं (?:कह|बता|बोल) (?:सकता|सकती|सकते)",
            "<not sure>",
        ),
        (
            rf"\b(?:mujhe |kuch )?(?:pata|maloom|malum|idea|samajh|andaza)(?: hi| bhi| mein| me)? (?:nahi|nahin|nai|nhi)(?: hai| h| aa raha| chal raha)?|\b(?:nahi|nahin|nai|nhi) {_LATIN_KNOW} (?:sakta|sakti|sakte|paya|paunga)|\b{_LATIN_KNOW} (?:nahi |nahin |nai |nhi |pana )(?:pa )?(?:sakta|sakti|sakte|pa raha|pa rahi|paya|paunga|mushkil|rha|raha|rahi)|\b{_LATIN_KNOW} pana? (?:bahut )?mushkil|\b(?:nahi|nahin|nhi) (?:pata|maloom|malum)|\b(?:kehna|batana|bolna|samajhna|decide karna|pehchanna) (?:bahut |bohot |thoda |kaafi )?(?:mushkil|impossible|namumkin)|\bkya pata\b|\bclear nahi\b|\bsaaf nahi\b",
            "<i can not tell>",
        ),
        (r"\b(?:pakka|sure|yakeen|yakin|confirm|pakke se|sure se|100% sure)(?: se| to| toh)? (?:nahi|nahin|nhi|nai)(?: hai| h| hoon| hun)?", "<not sure>"),
        (r"(?:या|चाहे) तो ([^.!?;]{1,30}?),? (?:या|चाहे)(?: फिर)?(?: तो)? ", r" \1 <or> "),
        (r"\b(?:ya|yaa) (?:to|toh) ([^.!?;]{1,30}?),? (?:ya|yaa)(?: phir)?(?: to| toh)? ", r" \1 <or> "),
        (_START + r"न(?:ा)?(?: तो)? ([^.!?;]{1,30}?),? (?:और )?न(?:ा)?(?: ही)? ", r"<neither> \1 <nor> "),
        (r"\bna(?: to| toh)? ([^.!?;]{1,30}?),? (?:aur )?na(?: hi)? ", r"<neither> \1 <nor> "),
        (
            r"(?:का |की |के )?(?:कोई |जरा भी |जरा सा भी |लेशमात्र )?(?:नामोनिशान|संकेत|निशान|नाम|आभास|लक्षण|सबूत|झलक|पुट|अंश|नामो निशान|नाम निशान)(?: तक| भी)? नहीं",
            "<not<>",
        ),
        (r"\b(?:ka |ki )?(?:koi |zara bhi )?(?:naam|namonishan|nishan|sign|trace|jhalak)(?: tak| bhi)? (?:nahi|nahin|nhi)", "<not<>"),
        (r"(?:के|की) (?:सिवा|सिवाय|अलावा) (?:और )?कुछ (?:भी )?नहीं|ke (?:siva|sivay|alawa) (?:aur )?kuch nahi", ""),
    ),
    fold={"़": "", "ः": "", "ँ": "ं", "ि": "ी", "ु": "ू", "ष": "श", "ण": "न"},
    script="\u0900-\u097f",
)
