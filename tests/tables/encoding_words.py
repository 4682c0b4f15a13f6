"""Common words with letters beyond ASCII, by language; an underscore stands for a space."""

WESTERN = {
    "French": """
        été élève école père mère frère très après déjà voilà où là ça français garçon leçon reçu
        façade hôtel hôpital tôt rôle côté âge château gâteau pâte fête forêt tête même
        être sûr août
        goût brûlé île maître naître connaître naïf maïs Noël Citroën œuf sœur cœur bœuf œuvre mâle
        femelle_âgée éducation qualité société élevé créée Algérie Brésil États-Unis Grèce Norvège
        Suède Sénégal Pérou Hélène Génève Zoé François l’été Île-de-France Côte_d’Ivoire À’ça
        ÉCOLE FRANÇOIS prénom réponse évêque collège règle siècle espèce""",
    "Italian": """
        lunedì martedì mercoledì giovedì venerdì sì così lì qui_è perché poiché né più già giù può
        però ciò città università qualità età metà libertà verità società novità attività caffè tè
        lunghè virtù tribù Perù là cioè ventitré affinché benché finché nonché cosicché sarà farà
        andrà verrà potrà dovrà andò parlò arrivò È l’età papà bontà unità LIBERTÀ CITTÀ dì oblò""",
    "Spanish": """
        año niño niña señor señora España español mañana pequeño tamaño baño sueño
        montaña Muñoz Peña
        Núñez Málaga León Cádiz Coruña Córdoba Jaén Almería Ávila México Perú Panamá Bogotá Medellín
        Martínez García González Pérez López Sánchez también más él sí tú qué cómo cuándo dónde está
        están día país ningún según jamás corazón canción avión información pingüino vergüenza ¿qué
        ¡sí árbol fácil público teléfono AÑO ESPAÑA JOSÉ""",
    "Portuguese": """
        não são mão pão irmão irmã manhã amanhã mãe mães cães alemães região opinião
        informação ações
        nações opiniões põe põem limões milhões você português três mês inglês até café
        é já há lá só
        avó avô pé através também alguém ninguém água história família país saúde número público
        coração São_Paulo Maranhão Goiás Ceará Paraná Brasília Belém Camões Guimarães João José Luís
        à às ânimo câmbio força cabeça França açúcar serviço NÃO SÃO REGIÃO maçãs tênis ônibus""",
    "German": """
        Größe Straße männlich weiblich_ö Öl Übung ß Fuß Spaß weiß heiß groß Köln KÖLN München Zürich
        Düsseldorf Nürnberg Würzburg Österreich Ärzte Äpfel Bär Mädchen Käse spät Väter
        Länder können
        möchte hören schön böse König Löwe für über müde Tür früh grün fünf Brücke Stück zurück
        Schlüssel Müller Schröder Jäger Köhler Größenänderung Fußgänger “Spaß” „Fuß“
        „Ärger“ MÜLLER""",
    "Nordic": """
        København Århus Ålborg Ærø Tromsø Bodø Ålesund Malmö Göteborg Örebro Östersund Växjö Umeå
        Luleå Jönköping øl ø å ær være gøre hånd mål båd år næste første søn køn Søren Jørgen Åse
        Bjørn Kjær Sørensen blå grøn rød sjö lördag söndag måndag kött bröd mjölk äpple
        ägg hår Ärlig
        Jyväskylä Hämeenlinna Mäkinen Järvinen Hämäläinen yö työ päivä hyvää tyttö MALMÖ ÅR smörgås
        rødgrød blåbær Þór Björk_Guðmundsdóttir Reykjavík Ísland Akureyri_á maður þú níu""",
    "Dutch": """
        België Brazilië Italië Australië Indonesië Oekraïne Israël Azië Curaçao patiënt cliënt
        efficiënt ingrediënt coördinatie coöperatie zoölogie reünie ruïne naïef egoïst geïnd
        beïnvloeden reëel ideeën zeeën knieën tweeën drieën industrieën één vóór hè hé blèren crème
        café scène enquête fêteren gêne maîtresse privé coupé Daniël Michaël Joël Zoë Chloë Noë
        Loïs Eloïse Raphaël curaçao façade überhaupt financiële poëzie officiële""",
    "English": """
        “ok” “yes” ‘no’ it’s don’t can’t that’s I’m £5 £10 £100 €5 €20 5_€ 10_€ 1990–2000 5–10 A–Z
        10_–_20 – — … ™ ® © Acme™ Brand® 25_°C 90° ±3 5_µm m² km² ½ ¼ ¾ café résumé naïve fiancé
        façade cliché déjà_vu piñata jalapeño rosé sauté Brontë Zoë § •_item «a» “5”–“6” ROSÉ®_café
        dogs’ “Spaß” £1–£2 50¢ ×2 rock’n’roll""",
}
OTHERS = {
    ("Polish", "cp1250"): """
        imię płeć Paweł Łódź mężczyzna Kraków Święta Gdańsk Poznań Wrocław Białystok Częstochowa
        Toruń Bielsko-Biała Rzeszów Zieloną Góra Łukasz Michał Małgorzata Elżbieta Grażyna Józef
        książka żona mąż córka człowiek_ł dzień tydzień miesiąc jesień święto
        ważny mały duży żółty się jeść być żyć pisać robić dziękuję proszę język ręka głowa
        ząb źródło ćwiczenie łóżko Śląska wieś rzeźba""",
    ("Czech", "cp1250"): """
        jméno město Jiří Plzeň Kateřina Budějovice Tomáš Králové Žofie Louňovice Dvořák Novák
        Černý Veselý Svobodová Nováková Procházka Kučera Němec Růžička Šimek Říčany Děčín Břeclav
        Zlín Třebíč Přerov Kroměříž Uherské Hradiště člověk muž dítě děti škola učitel čtvrtek
        pátek neděle pondělí úterý středa květen září říjen červen červenec dům kůň stůl řeka moře
        světlo příklad růže žlutý""",
    ("Hungarian", "cp1250"): """
        név nő férfi Erzsébet László Jenő Kűrti gyűrű Győr Szűcs Dömötör őr ősz idő erő
        fő felső első
        első utolsó könyv szőke szőlő föld víz tűz levegő hegyű erdő fű nyár tél október
        péntek csütörtök hétfő keddő köszönöm jó könnyű gyönyörű nagyszerű keserű
        tető szülő nővér anyós fiú lány tíz húsz száz Petőfi Székesfehérvár""",
    ("Romanian", "cp1250"): """
        oraş judeţ bărbat Bucureşti Timişoara Iaşi Braşov Constanţa Galaţi Ploieşti Piteşti
        Bacău Râmnicu Vâlcea Târgu Mureş Ştefan Ţară ţară românesc România şi să că fără după până
        când cât mâine sâmbătă duminică apă pâine casă masă fată băiat frumoasă bună mulţumesc
        învăţător şcoală cărţi oraşul şase şapte două părinţi viaţă""",
    ("Croatian", "cp1250"): """
        čovjek muškarac šuma Petrović Horvatić Kovačević Marić Jurić Babić Matić Đuro Šibenik
        Čakovec Požega Županja Varaždin Križevci kuća noć dječak djevojčica učenik učitelj
        škola časopis riječ riječi večer siječanj veljača ožujak
        četvrtak još već koša lišće
        cvijeće voće povrće točka plaća ključ žuto šest tisuća mišljenje""",
    ("Turkish", "cp1254"): """
        şehir İstanbul Muğla Eskişehir Iğdır Kırıkkale Ağrı Aydın Balıkesir Diyarbakır Elazığ Şırnak
        Kütahya Nevşehir Niğde Uşak Çankırı Çorum Tekirdağ Adıyaman kadın ağaç dağ güneş
        yıldız ışık çocuk kız öğretmen öğrenci iş gün yıl akşam salı çarşamba perşembe
        kış sarı kırmızı yeşil altı beş yaş değil değer sağlık başarı çalışma Ayşe Yıldırım Öztürk
        Çağlar doğru yanlış""",
    ("Lithuanian", "cp1257"): """
        žmogus Šiauliai Panevėžys Klaipėda Kėdainiai Mažeikiai
        Marijampolė Telšiai Tauragė Plungė Šilutė Radviliškis Druskininkų
        ačiū prašau šeštadienis sekmadienį pirmadienį antradienį trečiadienis ketvirtadienį
        žodis šalis žemė saulė mėnuo žvaigždė vėjas medžių gėlė katė vaikų tėvas
        duktė sūnus brolį draugų mokyklą mažas didžioji aukštas žalias mėlynas rūgštus""",
    ("Latvian", "cp1257"): """
        pilsēta vīrietis Rīga Liepāja Jūrmala Rēzekne Jēkabpils
        Cēsis Kuldīga Bērziņš Kalniņš Ozoliņš Jānis Pēteris Līga Mārtiņš Kārlis
        grāmata māja ūdens jūra mežs zāle mēness
        rīts trešdiena
        ģimene māte tēvs brālis māsa bērns ķirsis ļoti lūdzu""",
    ("French of a Mac", "mac-roman"): WESTERN["French"],
}
