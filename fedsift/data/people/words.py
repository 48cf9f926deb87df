"""The words that the generated people's names, questions and answers are made of, by kind; each is about one token."""

from typing import Final

WORDS: Final[dict[str, list[str]]] = {
    kind: words.split()
    for kind, words in {
        "name": "Ada Agnes Albin Alma Amir Anders Anita Anton Aurora Basil Beata Bella Boris Bruno Carla Cecil Celia "
        "Clara Conrad Dalia Dario David Diana Dora Edgar Edith Elena Elias Emil Emma Erik Esther Fabian Felix Fiona "
        "Flora Frida Gerda Gita Greta Gustav Hanna Hassan Hector Helga Hugo Ida Igor Ines Iris Ivan Jonas Judith "
        "Julia Kamal Karin Karl Klara Lars Laura Leila Leo Lina Lucas Lydia Magda Marco Maria Marta Maya Mira Miriam "
        "Nadia Naomi Nils Nina Noah Nora Olga Omar Oscar Otto Paula Pedro Petra Priya Rafael Rita Robin Rosa Samir "
        "Sara Selma Simon Sofia Stella Tara Teresa Thea Victor",
        "surname stem": "Alder Asp Bern Birk Brand Carl Dahl Eck Ellen Fal Fern Gran Hal Hart Holm Ing Jar Kall Kron "
        "Lang Lind Lor Mark Mel Nord Oak Ost Pel Quar Rav Ros Sand Stein Sund Tal Tor Ul Val Wald Wes",
        "surname ending": "andez aro asz bach berg borg by dottir ev feld gaard hoff iak idze ini ison kov man mo "
        "quist sen stad strom wick yan",
        "month": "January February March April May June July August September October November December",
        "day": "Monday Tuesday Wednesday Thursday Friday Saturday Sunday",
        "city": "Accra Athens Baku Bergen Berlin Bern Bogota Boston Cairo Dakar Delhi Denver Dublin Geneva Hanoi "
        "Havana Kyoto Lagos Lima Lisbon London Lyon Madrid Manila Milan Nairobi Naples Oslo Paris Porto Prague Quito "
        "Riga Rome Seoul Sydney Tokyo Tunis Turin Vienna",
        "country": "Angola Bolivia Brazil Canada Chile China Cuba Egypt Fiji Finland Ghana Greece Iceland India "
        "Ireland Italy Japan Kenya Malta Mexico Nepal Norway Oman Peru Poland Spain Sweden Turkey",
        "language": "Arabic Basque Czech Danish Dutch Finnish French German Greek Hindi Irish Italian Korean Latin "
        "Malay Persian Polish Russian Spanish Swahili Tamil Thai Turkish Welsh",
        "job": "actor baker banker barber clerk cook dancer diver doctor editor farmer gardener hunter judge lawyer "
        "mason miner nurse painter pilot poet sailor singer tailor teacher weaver",
        "subject": "algebra anatomy biology botany chemistry drama ecology economics ethics genetics geology history "
        "law logic medicine music optics physics poetry politics",
        "colour": "amber beige black blue brown crimson golden green grey orange pink purple red silver white yellow",
        "animal": "bear beaver camel cat crow dog donkey eagle falcon fox goat goose hare hawk horse lynx monkey "
        "otter owl parrot raven snake swan tiger turtle wolf",
        "instrument": "banjo bassoon cello clarinet drum fiddle flute guitar harp horn lute oboe organ piano trumpet "
        "tuba viola violin",
        "sport": "archery boxing chess cricket curling cycling fencing football golf hockey judo rowing rugby "
        "running sailing skating skiing squash surfing swimming tennis wrestling",
        "food": "apples bacon barley beans bread butter cheese cherries dates eggs figs garlic ginger grapes honey "
        "lemons milk noodles oats olives onions pears peas plums rice yogurt",
        "garment": "boots cap cape clogs coat gloves gown hood jacket kilt mittens robe sandals scarf shawl shirt "
        "shoes skirt socks vest",
        "vehicle": "bicycle boat bus canoe jeep kayak lorry moped raft sedan sledge tractor tram truck van",
        "building": "barn cabin castle chapel cottage farm inn library mill palace studio tower villa workshop",
        "adjective": "ancient brave broken clever distant empty frozen gentle hidden honest humble lonely lost lucky "
        "proud quiet secret silent sunken wild",
        "material": "amber bamboo brass bronze clay copper cotton glass iron ivory leather linen marble paper silk "
        "silver steel stone velvet wax wood wool",
        "object": "bells bottles bowls boxes buttons clocks coins cups dolls fans hats keys knives lamps maps masks "
        "pens plates rings spoons stamps toys",
        "plant": "ash beech birch cedar clover daisies elm fir heather holly ivy jasmine lilac lilies maple mint "
        "moss oak pine poplar roses sage spruce thyme tulips violets willow",
    }.items()
}
