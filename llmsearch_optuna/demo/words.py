"""The categories of the demo's lists, each with its best-known members and further members."""

from collections.abc import Mapping

__all__ = ["WORDS"]

WORDS: Mapping[str, tuple[str, str]] = {
    "animals": (
        "dog, cat, horse, cow, pig, sheep, lion, tiger, bear, wolf, fox, rabbit",
        """
        alligator, antelope, ape, armadillo, baboon, badger, bat, beaver, bee, bird, bison, boar, buffalo, bull,
        butterfly, camel, caterpillar, cheetah, chicken, chimpanzee, chipmunk, coyote, crab, crocodile, crow, deer,
        dolphin, donkey, duck, eagle, elephant, elk, ferret, fish, flamingo, frog, gazelle, geese, giraffe, goat,
        goose, gorilla, guinea pig, hamster, hare, hawk, hedgehog, hippo, hippopotamus, hyena, iguana, jaguar,
        jellyfish, kangaroo, koala, lemur, leopard, lizard, llama, lobster, lynx, meerkat, mice, mole, monkey,
        moose, mouse, octopus, opossum, orangutan, ostrich, otter, owl, ox, panda, panther, parrot, penguin, pigeon,
        polar bear, porcupine, raccoon, rat, reindeer, rhino, rhinoceros, salmon, sea lion, seal, shark, skunk,
        sloth, snail, snake, spider, squid, squirrel, swan, toad, tortoise, turkey, turtle, walrus, weasel, whale,
        wolves, zebra
        """,
    ),
    "birds": (
        "robin, eagle, owl, sparrow, crow, hawk, duck, parrot, pigeon, swan, falcon, penguin",
        """
        albatross, bald eagle, blackbird, blue jay, bluebird, canary, cardinal, chicken, cockatoo, condor,
        cormorant, crane, cuckoo, dove, egret, emu, finch, flamingo, geese, golden eagle, goldfinch, goose, grouse,
        gull, heron, hummingbird, ibis, jay, kestrel, kingfisher, kite, kiwi, lark, loon, macaw, magpie, mallard,
        mockingbird, nightingale, oriole, osprey, ostrich, parakeet, partridge, peacock, pelican, pheasant, puffin,
        quail, raven, red-tailed hawk, rooster, sandpiper, seagull, snipe, snowy owl, starling, stork, swallow,
        swift, tern, thrush, toucan, turkey, vulture, warbler, woodpecker, wren
        """,
    ),
    "fruits": (
        "apple, banana, orange, grape, pear, peach, cherry, mango, lemon, strawberry, plum, pineapple",
        """
        apricot, avocado, berry, blackberry, blackcurrant, blueberry, cantaloupe, clementine, coconut, cranberry,
        currant, date, dragon fruit, durian, elderberry, fig, gooseberry, grapefruit, guava, honeydew, jackfruit,
        kiwi, kumquat, lime, lychee, mandarin, melon, mulberry, nectarine, olive, papaya, passion fruit, persimmon,
        pomegranate, quince, raspberry, rhubarb, star fruit, tangerine, tomato, watermelon
        """,
    ),
    "vegetables": (
        "carrot, potato, onion, broccoli, cabbage, spinach, tomato, cucumber, lettuce, celery, pea, pepper",
        """
        artichoke, arugula, asparagus, bean, beet, beetroot, bell pepper, bok choy, brussels sprout, cauliflower,
        chard, chickpea, chili, collard green, corn, eggplant, endive, fennel, garlic, ginger, green bean, green
        onion, kale, leek, lentil, mushroom, okra, parsley, parsnip, pumpkin, radish, red pepper, rutabaga,
        scallion, shallot, squash, sweet potato, swiss chard, turnip, yam, zucchini
        """,
    ),
    "flowers": (
        "rose, tulip, daisy, lily, sunflower, orchid, violet, daffodil, iris, lavender, poppy, marigold",
        """
        anemone, aster, azalea, begonia, bluebell, buttercup, camellia, carnation, cherry blossom, chrysanthemum,
        clematis, clover, crocus, cyclamen, dahlia, dandelion, delphinium, forget-me-not, foxglove, freesia,
        fuchsia, gardenia, geranium, gladiolus, hibiscus, hyacinth, hydrangea, jasmine, larkspur, lilac, lotus,
        magnolia, morning glory, narcissus, pansy, peony, petunia, primrose, ranunculus, rhododendron, snapdragon,
        snowdrop, sweet pea, verbena, viola, wisteria, yarrow, zinnia
        """,
    ),
    "trees": (
        "oak, pine, maple, birch, willow, cedar, elm, ash, beech, fir, spruce, palm",
        """
        acacia, alder, apple, aspen, bamboo, banyan, baobab, cherry, chestnut, cottonwood, cypress, dogwood, douglas
        fir, ebony, eucalyptus, fig, ginkgo, hawthorn, hazel, hemlock, hickory, holly, juniper, larch, lemon,
        linden, magnolia, mahogany, mango, mulberry, olive, orange, peach, pear, pecan, plane, plum, poplar, red
        oak, redwood, rowan, sequoia, sycamore, teak, walnut, white oak, white pine, yew
        """,
    ),
    "countries": (
        "France, Germany, Spain, Italy, Japan, China, India, Brazil, Canada, Mexico, Egypt, Russia",
        """
        Afghanistan, Albania, Algeria, Argentina, Australia, Austria, Bangladesh, Belgium, Bolivia, Botswana,
        Bulgaria, Cambodia, Cameroon, Chile, Colombia, Costa Rica, Croatia, Cuba, Czech Republic, Denmark, Dominican
        Republic, Ecuador, England, Estonia, Ethiopia, Fiji, Finland, Georgia, Ghana, Greece, Guatemala, Haiti,
        Honduras, Hungary, Iceland, Indonesia, Iran, Iraq, Ireland, Israel, Jamaica, Jordan, Kazakhstan, Kenya,
        Kuwait, Laos, Latvia, Lebanon, Libya, Lithuania, Luxembourg, Madagascar, Malaysia, Mali, Malta, Mongolia,
        Morocco, Mozambique, Myanmar, Namibia, Nepal, Netherlands, New Zealand, Nicaragua, Nigeria, North Korea,
        Norway, Oman, Pakistan, Panama, Paraguay, Peru, Philippines, Poland, Portugal, Qatar, Romania, Rwanda, Saudi
        Arabia, Scotland, Senegal, Serbia, Singapore, Slovakia, Slovenia, Somalia, South Africa, South Korea, Sri
        Lanka, Sudan, Sweden, Switzerland, Syria, Taiwan, Tanzania, Thailand, Tunisia, Turkey, Uganda, UK, Ukraine,
        United Arab Emirates, United Kingdom, United States, United States of America, Uruguay, USA, Venezuela,
        Vietnam, Wales, Yemen, Zambia, Zimbabwe
        """,
    ),
    "cities": (
        "Paris, London, Tokyo, Berlin, Rome, Madrid, Chicago, Moscow, Sydney, Toronto, Boston, Dubai",
        """
        Amsterdam, Athens, Atlanta, Auckland, Austin, Baghdad, Bangkok, Barcelona, Beijing, Beirut, Bogota,
        Brisbane, Brussels, Budapest, Buenos Aires, Cairo, Cape Town, Copenhagen, Dallas, Delhi, Denver, Detroit,
        Dublin, Edinburgh, Florence, Frankfurt, Geneva, Glasgow, Guangzhou, Hamburg, Hanoi, Havana, Helsinki, Hong
        Kong, Honolulu, Houston, Istanbul, Jakarta, Jerusalem, Johannesburg, Karachi, Kolkata, Kuala Lumpur, Kyoto,
        Lagos, Las Vegas, Lima, Lisbon, Liverpool, Los Angeles, Lyon, Manchester, Manila, Marrakech, Marseille,
        Melbourne, Mexico City, Miami, Milan, Minneapolis, Montreal, Mumbai, Munich, Nairobi, Naples, New Delhi, New
        Orleans, New York, New York City, Osaka, Oslo, Ottawa, Perth, Philadelphia, Phoenix, Portland, Prague, Rio
        de Janeiro, San Antonio, San Diego, San Francisco, Santiago, Sao Paulo, Seattle, Seoul, Shanghai, Shenzhen,
        Singapore, Stockholm, São Paulo, Taipei, Tehran, Tel Aviv, Vancouver, Venice, Vienna, Warsaw, Washington,
        Washington D.C., Zurich
        """,
    ),
    "languages": (
        "English, Spanish, French, German, Italian, Chinese, Japanese, Russian, Arabic, Portuguese, Hindi, Korean",
        """
        Afrikaans, Albanian, Amharic, Armenian, Basque, Bengali, Bulgarian, Cantonese, Catalan, Croatian, Czech,
        Danish, Dutch, Estonian, Farsi, Finnish, Georgian, Greek, Gujarati, Hebrew, Hungarian, Icelandic,
        Indonesian, Irish, Kannada, Kurdish, Latin, Latvian, Lithuanian, Malay, Malayalam, Mandarin, Mandarin
        Chinese, Marathi, Mongolian, Nepali, Norwegian, Pashto, Persian, Polish, Punjabi, Romanian, Sanskrit,
        Serbian, Slovak, Slovenian, Somali, Swahili, Swedish, Tagalog, Tamil, Telugu, Thai, Tibetan, Turkish,
        Ukrainian, Urdu, Vietnamese, Welsh, Xhosa, Yiddish, Yoruba, Zulu
        """,
    ),
    "colors": (
        "red, blue, green, yellow, orange, purple, black, white, brown, pink, gray, gold",
        """
        amber, aqua, azure, beige, bronze, burgundy, charcoal, copper, coral, cream, crimson, cyan, dark blue, dark
        green, emerald, fuchsia, grey, hazel, indigo, ivory, khaki, lavender, light blue, light green, lilac, lime,
        lime green, magenta, maroon, mauve, mint, mustard, navy, navy blue, ochre, olive, peach, plum, rose, ruby,
        salmon, sapphire, scarlet, sienna, silver, sky blue, tan, teal, turquoise, vermilion, violet
        """,
    ),
    "sports": (
        "soccer, tennis, basketball, baseball, swimming, golf, hockey, rugby, boxing, cricket, volleyball, skiing",
        """
        american football, archery, athletics, badminton, beach volleyball, biathlon, billiards, bobsled, bowling,
        canoeing, climbing, cross-country skiing, curling, cycling, darts, diving, equestrian, fencing, field
        hockey, figure skating, fishing, football, gymnastics, handball, hiking, horse racing, horseback riding, ice
        hockey, ice skating, jogging, judo, karate, kayaking, kickboxing, lacrosse, marathon, martial arts,
        motorsports, mountain biking, netball, parkour, polo, racing, racquetball, rock climbing, roller skating,
        rowing, running, sailing, shooting, skateboarding, skating, ski jumping, snowboarding, softball, speed
        skating, squash, sumo, surfing, table tennis, taekwondo, track, track and field, triathlon, walking, water
        polo, weightlifting, windsurfing, wrestling, yoga
        """,
    ),
    "jobs": (
        "teacher, doctor, nurse, lawyer, engineer, chef, farmer, pilot, carpenter, plumber, writer, actor",
        """
        accountant, actress, analyst, architect, artist, astronaut, athlete, author, baker, banker, barber,
        biologist, bricklayer, bus driver, businessman, butcher, cashier, chemist, civil engineer, cleaner, clerk,
        coach, consultant, cook, customer service representative, dancer, data analyst, data scientist, dentist,
        designer, detective, developer, driver, economist, editor, electrician, entrepreneur, financial analyst,
        firefighter, fisherman, florist, gardener, graphic designer, hairdresser, historian, interior designer,
        janitor, journalist, judge, librarian, manager, marketing manager, mathematician, mechanic, miner, musician,
        nutritionist, painter, paramedic, pharmacist, photographer, physician, physicist, police officer, policeman,
        politician, postman, product manager, professor, programmer, project manager, psychologist, real estate
        agent, receptionist, reporter, sailor, sales manager, sales representative, salesperson, scientist,
        secretary, singer, social worker, software developer, software engineer, soldier, surgeon, tailor, taxi
        driver, technician, therapist, tour guide, translator, truck driver, tutor, veterinarian, waiter, waitress,
        web developer, welder
        """,
    ),
    "musical instruments": (
        "piano, guitar, violin, flute, drum, trumpet, cello, clarinet, harp, saxophone, trombone, banjo",
        """
        accordion, acoustic guitar, bagpipe, bass, bass drum, bass guitar, bassoon, bongo, bugle, castanet,
        clavichord, cornet, cymbal, didgeridoo, double bass, electric guitar, euphonium, fiddle, french horn,
        glockenspiel, gong, harmonica, harpsichord, horn, keyboard, lute, lyre, mandolin, maraca, marimba, oboe,
        ocarina, organ, pan flute, percussion, piccolo, recorder, sitar, snare drum, steel drum, synthesizer, tabla,
        tambourine, timpani, triangle, tuba, ukulele, vibraphone, viola, whistle, xylophone, zither
        """,
    ),
    "body parts": (
        "arm, leg, head, foot, hand, eye, ear, nose, mouth, knee, elbow, shoulder",
        """
        abdomen, ankle, back, belly, bladder, blood, bone, brain, breast, cheek, chest, chin, eyebrow, eyelash,
        eyelid, face, feet, finger, fingernail, forearm, forehead, gum, hair, heart, heel, hip, intestine, jaw,
        joint, kidney, knuckle, lip, liver, lung, muscle, nail, navel, neck, nerve, nostril, palm, pancreas, pelvis,
        rib, shin, skeleton, skin, skull, spine, spleen, stomach, teeth, thigh, throat, thumb, toe, tongue, tooth,
        torso, waist, wrist
        """,
    ),
    "clothes": (
        "shirt, hat, coat, dress, skirt, jacket, sock, shoe, scarf, glove, sweater, belt",
        """
        apron, bathrobe, bikini, blazer, blouse, boot, bow tie, bra, cap, cardigan, cloak, gown, high heel, hoodie,
        jeans, jersey, jumper, kilt, kimono, leather jacket, legging, mitten, overalls, overcoat, pair of jeans,
        pajamas, pants, polo shirt, poncho, pullover, raincoat, robe, sandal, sari, scarves, shawl, short, slipper,
        sneaker, stocking, suit, sundress, sweatpants, sweatshirt, swimsuit, t-shirt, tank top, tie, tights, top,
        trench coat, trousers, tunic, tuxedo, underwear, uniform, veil, vest
        """,
    ),
    "pieces of furniture": (
        "chair, table, bed, sofa, desk, lamp, bookcase, dresser, couch, bench, stool, cabinet",
        """
        armchair, bar stool, bedside table, bookshelf, bookshelves, bunk bed, chest, chest of drawers, closet, coat
        rack, coffee table, crib, cupboard, desk lamp, dining chair, dining table, drawer, end table, filing
        cabinet, futon, hammock, headboard, kitchen table, loveseat, mattress, mirror, nightstand, office chair,
        ottoman, recliner, rocking chair, rug, shelf, shelves, side table, sideboard, tv stand, vanity, wardrobe
        """,
    ),
    "kitchen tools": (
        "knife, fork, spoon, pan, pot, bowl, plate, cup, whisk, spatula, grater, blender",
        """
        baking sheet, bottle opener, bread knife, can opener, chopping board, chopstick, coffee maker, colander,
        corkscrew, cutting board, dish, dishwasher, food processor, freezer, fridge, frying pan, funnel, garlic
        press, grill, hand mixer, kettle, knives, ladle, lid, masher, measuring cup, measuring spoon, microwave,
        mixer, mixing bowl, mortar, mug, oven, oven mitt, paring knife, peeler, pestle, pitcher, pizza cutter,
        potato masher, refrigerator, rolling pin, saucepan, scale, scissors, shears, sieve, skillet, slow cooker,
        stand mixer, stove, strainer, teapot, thermometer, timer, toaster, tong, tray, vegetable peeler, wok, wooden
        spoon, zester
        """,
    ),
    "tools": (
        "hammer, saw, drill, wrench, screwdriver, pliers, axe, shovel, rake, chisel, ladder, nail",
        """
        bolt, broom, brush, bucket, chainsaw, circular saw, clamp, crowbar, drill bit, file, flashlight, glue gun,
        hacksaw, hand saw, handsaw, hatchet, hoe, jack, jigsaw, knife, knives, lathe, lawn mower, level, machete,
        mallet, measuring tape, nail gun, nut, paintbrush, pickaxe, pitchfork, plane, pocket knife, power drill,
        ratchet, router, ruler, sander, sandpaper, scissors, screw, shears, sledgehammer, socket, soldering iron,
        spade, spanner, square, stapler, tape, tape measure, trowel, tweezers, utility knife, vise, wheelbarrow,
        wire cutter
        """,
    ),
    "vehicles": (
        "car, bus, truck, train, bicycle, motorcycle, boat, airplane, van, taxi, ship, helicopter",
        """
        ambulance, bike, bulldozer, cab, camper, canoe, caravan, carriage, cart, convertible, coupe, crane, cruise
        ship, dirt bike, electric car, excavator, ferry, fire truck, forklift, hatchback, hot air balloon,
        hovercraft, jeep, jet, kayak, limousine, lorry, minibus, minivan, moped, motor home, motorbike, motorboat,
        pickup, pickup truck, plane, police car, rickshaw, rocket, rv, sailboat, scooter, sedan, skateboard, sled,
        snowmobile, spaceship, speedboat, sports car, station wagon, submarine, suv, tank, tractor, trailer, tram,
        tricycle, trolley, unicycle, wagon, yacht
        """,
    ),
    "drinks": (
        "water, milk, coffee, tea, juice, beer, wine, lemonade, soda, vodka, cider, rum",
        """
        almond milk, apple juice, black tea, brandy, cappuccino, champagne, chocolate milk, coca-cola, cocktail,
        cocoa, coconut water, coke, cola, cranberry juice, eggnog, energy drink, espresso, fruit juice, gin, ginger
        ale, grape juice, green tea, herbal tea, hot chocolate, iced coffee, iced tea, kombucha, latte, lemon juice,
        liqueur, margarita, martini, mead, milkshake, mineral water, mocha, mojito, orange juice, pepsi, pineapple
        juice, punch, red wine, root beer, sake, smoothie, soft drink, sparkling water, sports drink, sprite,
        tequila, tomato juice, tonic water, whiskey, whisky, white wine
        """,
    ),
    "spices and herbs": (
        "pepper, salt, basil, oregano, thyme, cinnamon, ginger, garlic, parsley, rosemary, mint, cumin",
        """
        allspice, anise, bay leaf, bay leaves, black pepper, caraway, cardamom, cayenne, cayenne pepper, chamomile,
        chili pepper, chili powder, chive, cilantro, clove, coriander, curry, curry powder, dill, fennel, fenugreek,
        garlic powder, juniper, lavender, lemongrass, mace, marjoram, mustard, mustard seed, nutmeg, onion powder,
        paprika, peppermint, poppy seed, red pepper, saffron, sage, sesame, star anise, sumac, tarragon, turmeric,
        vanilla, wasabi, white pepper
        """,
    ),
    "insects": (
        "ant, bee, fly, beetle, butterfly, mosquito, wasp, moth, cricket, grasshopper, termite, flea",
        """
        aphid, bumblebee, caterpillar, centipede, cicada, cockroach, damselfly, dragonfly, dung beetle, earwig,
        firefly, fruit fly, gnat, honey bee, honeybee, hornet, house fly, housefly, katydid, lacewing, ladybird,
        ladybug, leafhopper, lice, locust, louse, mantis, mayfly, mealybug, midge, monarch butterfly, praying
        mantis, scarab, silverfish, stick insect, stink bug, thrip, tick, water strider, weevil, whitefly, yellow
        jacket
        """,
    ),
    "school subjects": (
        "math, science, history, English, art, music, geography, biology, chemistry, physics, French, economics",
        """
        algebra, astronomy, business, business studies, calculus, chinese, civics, computer science, computing,
        dance, design, drama, earth science, engineering, english literature, environmental science, ethics, foreign
        language, geology, geometry, german, government, grammar, health, health education, home economics,
        information technology, language, language arts, latin, law, literature, mathematics, media studies,
        philosophy, physical education, political science, politics, psychology, reading, religion, religious
        studies, social science, social studies, sociology, spanish, spelling, sports, statistics, technology,
        theater, trigonometry, woodworking, world history, writing
        """,
    ),
    "emotions": (
        "joy, anger, fear, sadness, love, surprise, disgust, happiness, pride, shame, hope, guilt",
        """
        admiration, affection, agony, amazement, amusement, annoyance, anticipation, anxiety, apathy, awe,
        bitterness, boredom, calm, calmness, compassion, confidence, confusion, contempt, contentment, courage,
        curiosity, delight, depression, despair, determination, disappointment, distress, doubt, ecstasy, elation,
        embarrassment, empathy, enthusiasm, envy, euphoria, excitement, frustration, fury, gladness, gratitude,
        grief, hate, hatred, hopelessness, horror, humiliation, hurt, insecurity, inspiration, irritation, jealousy,
        kindness, loneliness, longing, lust, melancholy, misery, nervousness, nostalgia, optimism, pain, panic,
        passion, peace, pessimism, pity, pleasure, rage, regret, relief, remorse, resentment, satisfaction,
        serenity, shock, shyness, sorrow, stress, suspicion, sympathy, tenderness, terror, tranquility, trust,
        uncertainty, worry
        """,
    ),
    "chemical elements": (
        "hydrogen, oxygen, carbon, iron, gold, silver, copper, nitrogen, helium, zinc, lead, sodium",
        """
        actinium, aluminium, aluminum, antimony, argon, arsenic, astatine, barium, beryllium, bismuth, boron,
        bromine, cadmium, calcium, cerium, cesium, chlorine, chromium, cobalt, einsteinium, fluorine, francium,
        gallium, germanium, hafnium, indium, iodine, iridium, krypton, lanthanum, lithium, magnesium, manganese,
        mercury, molybdenum, neodymium, neon, nickel, niobium, osmium, palladium, phosphorus, platinum, plutonium,
        polonium, potassium, promethium, radium, radon, rhenium, rhodium, rubidium, ruthenium, scandium, selenium,
        silicon, strontium, sulfur, sulphur, tantalum, technetium, tellurium, thallium, thorium, tin, titanium,
        tungsten, uranium, vanadium, xenon, yttrium, zirconium
        """,
    ),
    "hobbies": (
        """
        reading, cooking, painting, gardening, dancing, singing, fishing, hiking, photography, knitting, chess, writing
        """,
        """
        archery, art, astronomy, baking, basketball, beekeeping, birdwatching, blogging, board games, calligraphy,
        camping, carpentry, climbing, coin collecting, collecting, collecting coins, collecting stamps, crafting,
        crafts, crocheting, cycling, diving, drawing, embroidery, exercising, football, gaming, golf, guitar,
        horseback riding, hunting, jewelry making, jogging, juggling, kayaking, learning a new language, listening
        to music, martial arts, meditation, model building, music, origami, playing chess, playing guitar, playing
        music, playing sports, playing the guitar, playing the piano, playing video games, poetry, pottery,
        programming, puzzles, quilting, reading books, rock climbing, running, sailing, scrapbooking, sculpting,
        sculpture, sewing, shopping, skateboarding, skating, sketching, skiing, soccer, sports, stamp collecting,
        surfing, swimming, tennis, traveling, travelling, video games, volunteering, walking, watching movies,
        watching tv, weaving, woodworking, yoga
        """,
    ),
    "US states": (
        "Texas, California, Florida, Ohio, Georgia, Alaska, Nevada, Oregon, Virginia, Maine, Utah, Kansas",
        """
        Alabama, Arizona, Arkansas, Colorado, Connecticut, Delaware, Hawaii, Idaho, Illinois, Indiana, Iowa,
        Kentucky, Louisiana, Maryland, Massachusetts, Michigan, Minnesota, Mississippi, Missouri, Montana, Nebraska,
        New Hampshire, New Jersey, New Mexico, New York, North Carolina, North Dakota, Oklahoma, Pennsylvania, Rhode
        Island, South Carolina, South Dakota, Tennessee, Vermont, Washington, West Virginia, Wisconsin, Wyoming
        """,
    ),
}
"""Category (plural) -> its twelve best-known members and further ones, both separated by commas.

Regular plurals are left out, for `distinct_items` takes them for the same member.
"""
